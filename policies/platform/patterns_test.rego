package verdict_test.patterns

import data.verdict.patterns

test_pattern_matches[note] if {
	some note, [pattern, text] in {
		"itself": ["instance.list", "instance.list"],
		"everything": ["*", "instance.list"],
		"a start": ["instance.*", "instance.list"],
		"an end": ["*.list", "instance.list"],
		"start and end": ["inst*list", "instance.list"],
		"an empty run": ["instance*.list", "instance.list"],
		"two runs": ["*/inst-*", "instance/inst-1"],
		"three runs": ["*a*b*", "xaxbx"],
		"a run of lines": ["*a*b", "xa\nb"],
		"characters of regular expressions": ["*(a)[b]{c}^$|+?\\.*", "x(a)[b]{c}^$|+?\\.y"],
	}
	patterns.matches(pattern, text)
}

test_pattern_does_not_match[note] if {
	some note, [pattern, text] in {
		"something longer": ["instance", "instance.list"],
		"another start": ["drive.*", "instance.list"],
		"another end": ["*.get", "instance.list"],
		"start and end that overlap": ["aba*ba", "aba"],
		"in two runs": ["*x*y*", "yx"],
		"a dot that is any character": ["*.*.c", "a-b-c"],
	}
	not patterns.matches(pattern, text)
}

test_one_of_several_is_enough if {
	patterns.some_match(["drive.*", "instance.*"], "instance.list")
	not patterns.some_match(["drive.*"], "instance.list")
	not patterns.some_match([], "instance.list")
}
