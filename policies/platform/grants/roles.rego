# METADATA
# title: Grants by role
# description: The role table (data.roles), read at the permission that the catalogue names for the action.
package verdict.grants.roles

import data.verdict.question

default given := []

given := [question.reason("rbac.role", ["The role ", question.role, " may do ", question.action, "."])] if {
	is_used
	question.role in allowed
	not is_anothers
}

default missing := []

missing := [refused] if is_used

is_used if "roles" in question.models

default allowed := []

allowed := data.roles.permissions[question.entry.permission]

refused := question.reason("rbac.role", words) if {
	is_anothers
	question.role in allowed
	words := ["The role ", question.role, " may do ", question.action, " for the ", question.who, " alone, not for ", question.resource, "."]
} else := question.reason("rbac.role", words) if {
	question.role
	words := ["The role ", question.role, " may not do ", question.action, "; it takes ", question.either(allowed), "."]
} else := question.reason("rbac.role", words) if {
	words := ["The ", question.who, " has no role in this account; ", question.action, " takes ", question.either(allowed), "."]
}

# What concerns one's own login, asked about somebody else's.
is_anothers if {
	question.entry.own
	input.resource.type == "user"
	not is_own
}

is_own if input.resource.id == question.person
