# METADATA
# title: Verdict's decision
# description: |
#   Answers from platform A's role table (data.role_table). A grant rests on input.directory alone, which only
#   Verdict writes: what the request claims in subject, resource or context grants nothing.
package verdict

# METADATA
# title: May this subject do this action on this resource?
# entrypoint: true
decision := answer(false, "action.unknown", concat("", ["The action ", action, " is not in the role table."])) if {
	not permission
} else := answer(false, "rbac.no_membership", concat("", [subject, " is not a member of the account that this concerns."])) if {
	not membership
} else := answer(true, "rbac.role", concat("", ["The role ", role, " may do ", action, "."])) if {
	role in roles
} else := answer(false, "rbac.role", concat("", ["The role ", role, " may not do ", action, "; it takes ", listed, "."])) if {
	role
} else := answer(false, "rbac.role", concat("", [subject, " has no role in this account; ", action, " takes ", listed, "."]))

answer(allow, code, message) := {"allow": allow, "reasons": [{"code": code, "message": message}], "advice": []}

permission := data.role_table.actions[input.action.name]

roles := data.role_table.permissions[permission]

membership := value if {
	value := input.directory.membership
	is_object(value)
}

role := value if {
	value := membership.properties.role
	is_string(value)
	value != ""
}

action := input.action.name if {
	is_string(input.action.name)
} else := "that was asked for"

subject := concat("", ["The ", input.subject.type, " ", input.subject.id]) if {
	is_string(input.subject.type)
	is_string(input.subject.id)
} else := "The subject"

# "owner", "owner or admin", "owner, admin or developer"
listed := roles[0] if {
	count(roles) == 1
} else := concat(" or ", [concat(", ", array.slice(roles, 0, last)), roles[last]]) if {
	last := count(roles) - 1
}
