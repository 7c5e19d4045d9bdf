# The managed policies, stated independently of data.managed.
package verdict_test.managed

import data.verdict.patterns

stated := {
	"ReadOnlyAccess": [["Read", ["*.list", "*.get", "*.view"]]],
	"StorageFullAccess": [["Storage", ["drive.*", "volume.*", "snapshot.*", "backup.*", "bucket.*", "object.*"]]],
	"ComputeFullAccess": [["Compute", ["instance.*", "image.*", "ssh_key.*", "plan.*", "region.*"]]],
	"BillingAccess": [["Billing", ["billing.*", "invoice.*", "usage.*", "payment_method.*"]]],
	"SecurityAudit": [
		["Records", [
			"audit_log.list",
			"audit_log.get",
			"audit_log.verify",
			"audit_log.export",
			"report.list",
			"report.get",
			"report.download",
			"alert.list",
			"alert.get",
		]],
		["Access", [
			"access_review.list",
			"access_review.get",
			"acl.list",
			"acl.get",
			"iam_policy.list",
			"iam_policy.get",
			"team.list",
			"team.get",
			"group.list",
			"group.get",
			"token.list",
			"token.get",
		]],
		["Protection", [
			"firewall.list",
			"firewall.get",
			"security_group.list",
			"security_group.get",
			"network_acl.list",
			"network_acl.get",
			"ssh_key.list",
			"ssh_key.get",
			"kms_key.list",
			"kms_key.get",
			"vpn.list",
			"vpn.get",
		]],
	],
}

test_managed_policies_are_these_and_no_others if {
	data.managed.policies == {name: {"version": "2026-11-01", "statements": made} |
		some name, statements in stated
		made := [{"sid": sid, "effect": "allow", "actions": actions, "resources": ["*"]} | some [sid, actions] in statements]
	}
}

test_read_only_reads_and_nothing_else[action] if {
	some action in {"instance.create", "instance.console", "token.create", "account.export", "billing.update", "two_factor.disable"}
	not patterns.some_match(data.managed.policies.ReadOnlyAccess.statements[0].actions, action)
}

test_read_only_allows_only_what_the_catalogue_says_reads if {
	actions := data.managed.policies.ReadOnlyAccess.statements[0].actions
	{entry.access | some action, entry in data.catalogue.actions; patterns.some_match(actions, action)} == {"read"}
}

test_every_pattern_is_about_some_action[pattern] if {
	actions := concat(" ", [action | some action, _ in data.catalogue.actions])
	some pattern in data.managed.policies[_].statements[_].actions
	contains(actions, trim(pattern, "*"))
}
