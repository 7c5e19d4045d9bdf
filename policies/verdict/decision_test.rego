package verdict_test

import data.verdict

# The table as platform A publishes it, stated independently of data.role_table.
table := {
	"view resources": {
		"actions": ["instance.list", "instance.get", "ssh_key.list", "ssh_key.get", "firewall.list", "firewall.get"],
		"roles": {"owner", "admin", "developer", "viewer"},
		"named": "owner, admin, developer or viewer",
	},
	"create instances, delete instances": {
		"actions": [
			"instance.create",
			"instance.delete",
			"instance.start",
			"instance.stop",
			"instance.reboot",
			"instance.resize",
		],
		"roles": {"owner", "admin", "developer"},
		"named": "owner, admin or developer",
	},
	"manage SSH keys, configure firewalls": {
		"actions": ["ssh_key.create", "ssh_key.delete", "firewall.create", "firewall.update", "firewall.delete"],
		"roles": {"owner", "admin", "developer"},
		"named": "owner, admin or developer",
	},
	"view billing": {
		"actions": ["billing.view"],
		"roles": {"owner", "admin"},
		"named": "owner or admin",
	},
	"manage payment methods": {
		"actions": ["payment_method.update"],
		"roles": {"owner"},
		"named": "owner",
	},
	"invite team members": {
		"actions": ["team.invite", "team.remove"],
		"roles": {"owner", "admin"},
		"named": "owner or admin",
	},
	"delete account": {
		"actions": ["account.delete"],
		"roles": {"owner"},
		"named": "owner",
	},
}

everyone := {"owner", "admin", "developer", "viewer"}

question(action, role) := {
	"subject": {"type": "user", "id": "usr-1"},
	"action": {"name": action},
	"resource": {"type": "instance", "id": "inst-1", "properties": {}},
	"context": {},
	"directory": {
		"account": {"type": "account", "id": "acc-1", "account": "acc-1", "properties": {}, "version": 1},
		"membership": {
			"type": "membership",
			"id": "acc-1:usr-1",
			"account": "acc-1",
			"properties": {"role": role},
			"version": 3,
		},
		"token": null,
	},
}

answer(allow, code, message) := {"allow": allow, "reasons": [{"code": code, "message": message}], "advice": []}

test_role_in_the_row_is_allowed[note] if {
	some row, cell in table
	some action in cell.actions
	some role in cell.roles
	note := sprintf("%s: %s may %s", [row, role, action])
	message := sprintf("The role %s may do %s.", [role, action])
	verdict.decision == answer(true, "rbac.role", message) with input as question(action, role)
}

test_role_outside_the_row_is_denied[note] if {
	some row, cell in table
	some action in cell.actions
	some role in (everyone - cell.roles)
	note := sprintf("%s: %s may not %s", [row, role, action])
	message := sprintf("The role %s may not do %s; it takes %s.", [role, action, cell.named])
	verdict.decision == answer(false, "rbac.role", message) with input as question(action, role)
}

test_every_action_of_the_data_stands_in_the_table if {
	{action | some action, _ in data.role_table.actions} == {action | some action in table[_].actions}
}

test_every_permission_of_the_data_is_used if {
	{permission | some permission, _ in data.role_table.permissions} == {permission | some permission in data.role_table.actions}
}

test_role_that_the_table_does_not_know_is_denied if {
	message := "The role root may not do instance.list; it takes owner, admin, developer or viewer."
	verdict.decision == answer(false, "rbac.role", message) with input as question("instance.list", "root")
}

test_membership_without_a_usable_role_is_denied[note] if {
	some note, role in {"none": null, "empty": "", "a list": ["owner"], "an object": {"owner": true}, "a number": 1}
	message := "The user usr-1 has no role in this account; billing.view takes owner or admin."
	verdict.decision == answer(false, "rbac.role", message) with input as question("billing.view", role)
}

test_who_is_no_member_is_denied[note] if {
	some note, membership in {"null": null, "a list": [], "a string": "owner"}
	message := "The user usr-1 is not a member of the account that this concerns."
	asked := object.union(question("instance.list", "owner"), {"directory": {"membership": membership}})
	verdict.decision == answer(false, "rbac.no_membership", message) with input as asked
}

test_question_without_a_directory_is_denied if {
	asked := object.remove(question("instance.list", "owner"), ["directory"])
	message := "The user usr-1 is not a member of the account that this concerns."
	verdict.decision == answer(false, "rbac.no_membership", message) with input as asked
}

test_question_without_a_usable_subject_is_denied if {
	asked := {"subject": {"type": "user", "id": 7}, "action": {"name": "instance.list"}, "directory": {"membership": null}}
	message := "The subject is not a member of the account that this concerns."
	verdict.decision == answer(false, "rbac.no_membership", message) with input as asked
}

test_action_that_the_table_does_not_know_is_denied[note] if {
	some note, action in {"unknown": "instance.explode", "empty": "", "a permission's name": "view_resources"}
	message := sprintf("The action %s is not in the role table.", [action])
	verdict.decision == answer(false, "action.unknown", message) with input as question(action, "owner")
}

test_action_that_is_no_name_is_denied[note] if {
	some note, action in {"null": null, "a number": 1, "a list": ["instance.list"], "an object": {}}
	message := "The action that was asked for is not in the role table."
	verdict.decision == answer(false, "action.unknown", message) with input as question(action, "owner")
}

test_empty_question_is_denied if {
	message := "The action that was asked for is not in the role table."
	verdict.decision == answer(false, "action.unknown", message) with input as {}
}

test_claims_of_the_request_grant_nothing if {
	claimed := {
		"subject": {"properties": {"role": "owner", "directory": {"membership": {"properties": {"role": "owner"}}}}},
		"resource": {"properties": {"role": "owner"}},
		"context": {"role": "owner", "membership": {"properties": {"role": "owner"}}},
	}
	asked := object.union(question("account.delete", "viewer"), claimed)
	verdict.decision.allow == false with input as asked
}
