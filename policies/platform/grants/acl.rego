# METADATA
# title: Grants by access control list
# description: |
#   input.directory.acl holds the entries for this subject or its groups whose target could concern the question. A target is
#   a module, a resource or a tag, and tags are those that the directory knows of the resource (facts.directory_tags).
package verdict.grants.acl

import data.verdict.question

default given := []

given := [question.reason(code, words) |
	some entry in input.directory.acl
	covers(entry.properties)
	[code, on] := target(entry.properties.target)
	not has_ended(entry)
	words := ["The ACL entry ", entry.id, " allows ", entry.properties.grantee, " ", question.action, " on ", on, "."]
] if {
	is_used
}

default missing := []

missing := [refused] if is_used

is_used if "acl" in question.models

refused := question.reason("acl.read_only", words) if {
	[id, on] := touching[0]
	words := ["The ACL entry ", id, " does not allow ", question.action, " on ", on, "; it takes read-write with the verb ", question.entry.verb, "."]
} else := question.reason("acl.none", words) if {
	words := [
		"No ACL entry allows the ",
		question.who,
		" ",
		question.action,
		"; it takes one on the module ",
		question.entry.module,
		", on ",
		question.resource,
		" or on one of its tags.",
	]
}

# What is about this question, and allows less.
touching := [[entry.id, on] |
	some entry in input.directory.acl
	[_, on] := target(entry.properties.target)
	not has_ended(entry)
]

target({"module": "*", "except": modules}) := ["acl.module", "every module but those excepted"] if {
	is_array(modules)
	not question.entry.module in modules
}

target({"module": "*"}) := ["acl.module", "every module"]

target({"module": module}) := ["acl.module", concat(" ", ["the module", module])] if module == question.entry.module

target({"resource": resource}) := ["acl.resource", resource] if {
	resource == question.resource
	is_about_things
}

target({"tag": tag}) := ["acl.tag", concat(" ", ["what carries the tag", tag])] if {
	tag in input.facts.directory_tags
	is_about_things
}

# Account settings are no things that somebody could be given singly.
is_about_things if question.entry.scope != "admin"

has_ended(entry) if {
	entry.properties.ends
	not runs(entry)
}

runs(entry) if {
	is_number(entry.ends_ms)
	input.facts.now < entry.ends_ms
}

covers(acl) if {
	question.entry.access == "read"
	acl.access in ["read-only", "read-write"]
}

covers(acl) if {
	acl.access == "read-write"
	not acl.verbs
}

covers(acl) if {
	acl.access == "read-write"
	question.entry.verb in acl.verbs
}
