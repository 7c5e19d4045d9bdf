# METADATA
# title: Grants by IAM document
# description: |
#   Documents attached to the membership: the account's own (input.directory.policies, with the statements whose action patterns
#   match), and the managed ones that ship (data.managed). An explicit deny wins; a condition that can't be told does not grant.
package verdict.grants.iam

import data.verdict.grants.iam.conditions
import data.verdict.patterns
import data.verdict.question

default given := []

given := [question.reason("iam.allow", words) |
	some document in documents
	some statement in document.statements
	statement.effect == "allow"
	patterns.some_match(statement.resources, question.resource)
	not conditions.unmet(object.get(statement, "conditions", {}))
	words := ["The IAM document ", document.name, " allows ", question.action, " on ", question.resource, place(statement), "."]
] if {
	is_used
}

default denies := []

denies := [question.reason("iam.deny", words) |
	some document in documents
	some statement in document.statements
	statement.effect == "deny"
	patterns.some_match(statement.resources, question.resource)
	not conditions.refuted(object.get(statement, "conditions", {}))
	words := ["The IAM document ", document.name, " denies ", question.action, " on ", question.resource, place(statement), "; an explicit deny wins."]
] if {
	is_used
}

default missing := []

missing := [question.reason("iam.none", words)] if {
	is_used
	words := [
		"No IAM document of the ",
		question.who,
		" allows ",
		question.action,
		" on ",
		question.resource,
		"; it takes a statement that does, with conditions that hold.",
	]
}

is_used if "iam" in question.models

documents := array.concat(object.get(input.directory, "policies", []), managed)

place(statement) := concat("", [" (statement ", statement.sid, ")"]) if {
	statement.sid
} else := ""

# An account's own document of the same name stands instead of a managed one.
managed := [{"name": name, "statements": statements} |
	some name in question.membership.policies
	some shipped, document in data.managed.policies
	endswith(name, shipped)
	not is_own(name)
	statements := [statement | some statement in document.statements; patterns.some_match(statement.actions, input.action.name)]
]

is_own(name) if {
	some document in input.directory.policies
	document.name == name
}
