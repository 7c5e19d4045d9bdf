# METADATA
# title: Patterns of IAM documents
# description: In a pattern, * is any run of characters, the empty one too; every other character is itself.
package verdict.patterns

some_match(patterns, text) if {
	some pattern in patterns
	matches(pattern, text)
}

# The commonest first.
matches(pattern, text) if {
	pattern == "*"
} else if {
	[start, end] := split(pattern, "*")
	startswith(text, start)
	endswith(text, end)
	count(text) >= count(start) + count(end)
} else if {
	pattern == text
} else if {
	count(split(pattern, "*")) > 2
	regex.match(concat("", ["^", replace(escaped(pattern), "*", "(?s:.*)"), "$"]), text)
}

# As a regular expression (RE2), with * as it is.
escaped(pattern) := strings.replace_n(
	{"\\": "\\\\", ".": "\\.", "+": "\\+", "?": "\\?", "(": "\\(", ")": "\\)", "[": "\\[", "]": "\\]", "{": "\\{", "}": "\\}", "^": "\\^", "$": "\\$", "|": "\\|"},
	pattern,
)
