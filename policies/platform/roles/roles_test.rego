# The role table, stated independently of data.roles: platform A's as it publishes it, then what goes beyond it.
package verdict_test.roles

import data.verdict_test.asked

published := {
	"view resources": {
		"actions": ["instance.list", "instance.get", "ssh_key.list", "ssh_key.get", "firewall.list", "firewall.get"],
		"permissions": ["view_resources"],
		"roles": {"owner", "admin", "developer", "viewer"},
		"named": "owner, admin, developer or viewer",
	},
	"create instances, delete instances": {
		"actions": ["instance.create", "instance.delete", "instance.start", "instance.stop", "instance.reboot", "instance.resize"],
		"permissions": ["create_instances", "delete_instances", "operate_instances"],
		"roles": {"owner", "admin", "developer"},
		"named": "owner, admin or developer",
	},
	"manage SSH keys, configure firewalls": {
		"actions": ["ssh_key.create", "ssh_key.delete", "firewall.create", "firewall.update", "firewall.delete"],
		"permissions": ["manage_ssh_keys", "configure_firewalls"],
		"roles": {"owner", "admin", "developer"},
		"named": "owner, admin or developer",
	},
	"view billing": {
		"actions": ["billing.view"],
		"permissions": ["view_billing"],
		"roles": {"owner", "admin"},
		"named": "owner or admin",
	},
	"manage payment methods": {
		"actions": ["payment_method.update"],
		"permissions": ["manage_payment_methods"],
		"roles": {"owner"},
		"named": "owner",
	},
	"invite team members": {
		"actions": ["team.invite", "team.remove"],
		"permissions": ["invite_team_members"],
		"roles": {"owner", "admin"},
		"named": "owner or admin",
	},
	"delete account": {
		"actions": ["account.delete"],
		"permissions": ["delete_account"],
		"roles": {"owner"},
		"named": "owner",
	},
}

# The permissions beyond it, by the roles that have them.
beyond := {
	["owner", "admin", "developer", "viewer", "auditor"]: {"secure_own_login"},
	["owner", "admin", "developer", "viewer"]: {"view_alerts"},
	["owner", "admin", "developer"]: {
		"manage_images",
		"manage_drives",
		"manage_snapshots",
		"manage_backups",
		"manage_object_storage",
		"configure_networks",
		"configure_vpn",
		"configure_load_balancers",
		"use_kms_keys",
		"view_tokens",
		"manage_tokens",
		"request_changes",
	},
	["owner", "admin", "auditor"]: {"view_audit_logs", "export_audit_logs", "view_reports"},
	["owner", "admin"]: {
		"manage_kms_keys",
		"manage_access",
		"review_access",
		"require_two_factor",
		"manage_account",
		"configure_audit_logs",
		"manage_reports",
		"view_exports",
		"manage_alerts",
		"approve_changes",
	},
	["owner"]: {"manage_billing", "export_account"},
}

roles := {"owner", "admin", "developer", "viewer"}

test_role_in_the_row_is_allowed[note] if {
	some row, cell in published
	some action in cell.actions
	some role in cell.roles
	note := sprintf("%s: %s may %s", [row, role, action])
	asked.decided(asked.by(role, action)) == asked.answer(true, "rbac.role", sprintf("The role %s may do %s.", [role, action]))
}

test_role_outside_the_row_is_denied[note] if {
	some row, cell in published
	some action in cell.actions
	some role in (roles - cell.roles)
	note := sprintf("%s: %s may not %s", [row, role, action])
	message := sprintf("The role %s may not do %s; it takes %s.", [role, action, cell.named])
	asked.decided(asked.by(role, action)) == asked.answer(false, "rbac.role", message)
}

test_actions_of_the_published_rows_take_their_permissions[action] if {
	some cell in published
	some action in cell.actions
	data.catalogue.actions[action].permission in cell.permissions
}

test_table_holds_these_rows_and_no_others if {
	{permission: {role | some role in holders} | some permission, holders in data.roles.permissions} == stated
}

stated := object.union(
	{permission: cell.roles | some cell in published; some permission in cell.permissions},
	{permission: {role | some role in holders} | some holders, permissions in beyond; some permission in permissions},
)

test_every_permission_of_the_table_is_some_actions_and_the_other_way_round if {
	{permission | some permission, _ in data.roles.permissions} == {entry.permission | some entry in data.catalogue.actions}
}

# Every cell beyond, through the policy, at one action that takes its permission.
test_every_cell_decides_as_stated[role] if {
	some role in roles
	{permission | some permission, _ in rows; asked.is_allowed(asked.by(role, example[permission]))} == {permission | some permission, holders in rows; role in holders}
}

# The approval of a change takes somebody else than who asked for it, and says so elsewhere.
example := {permission: action |
	some permission, _ in rows
	action := max({action | some action, entry in data.catalogue.actions; entry.permission == permission})
}

rows := {permission: holders | some holders, permissions in beyond; some permission in permissions}
