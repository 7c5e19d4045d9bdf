# The catalogue, stated independently of data.catalogue: module by module, in rows of permission, access, scope and actions.
# An action's verb is what stands behind the dot.
package verdict_test.catalogue

modules := {
	"servers": {"service": "compute", "rows": [
		["view_resources", "read", "read", ["instance.list", "instance.get", "plan.list", "region.list"]],
		["create_instances", "write", "write", ["instance.create", "instance.clone", "instance.import"]],
		["delete_instances", "write", "write", ["instance.delete"]],
		["operate_instances", "write", "write", [
			"instance.start",
			"instance.stop",
			"instance.reboot",
			"instance.reset",
			"instance.suspend",
			"instance.resume",
			"instance.resize",
			"instance.rebuild",
			"instance.rename",
			"instance.update",
			"instance.migrate",
			"instance.tag",
			"instance.untag",
			"instance.rescue",
			"instance.unrescue",
			"instance.console",
			"instance.reset_password",
			"instance.read_log",
		]],
	]},
	"images": {"service": "compute", "rows": [
		["view_resources", "read", "read", ["image.list", "image.get"]],
		["manage_images", "write", "write", [
			"image.create",
			"image.import",
			"image.copy",
			"image.update",
			"image.share",
			"image.unshare",
			"image.delete",
			"image.export",
		]],
	]},
	"ssh_keys": {"service": "compute", "rows": [
		["view_resources", "read", "read", ["ssh_key.list", "ssh_key.get"]],
		["manage_ssh_keys", "write", "write", ["ssh_key.create", "ssh_key.update", "ssh_key.delete"]],
	]},
	"drives": {"service": "storage", "rows": [
		["view_resources", "read", "read", ["drive.list", "drive.get", "volume.list", "volume.get"]],
		["manage_drives", "write", "write", [
			"drive.create",
			"drive.clone",
			"drive.update",
			"drive.resize",
			"drive.attach",
			"drive.detach",
			"drive.tag",
			"drive.untag",
			"drive.delete",
			"volume.create",
			"volume.clone",
			"volume.update",
			"volume.resize",
			"volume.attach",
			"volume.detach",
			"volume.replicate",
			"volume.tag",
			"volume.untag",
			"volume.delete",
		]],
	]},
	"snapshots": {"service": "storage", "rows": [
		["view_resources", "read", "read", ["snapshot.list", "snapshot.get"]],
		["manage_snapshots", "write", "write", [
			"snapshot.create",
			"snapshot.clone",
			"snapshot.copy",
			"snapshot.restore",
			"snapshot.update",
			"snapshot.tag",
			"snapshot.untag",
			"snapshot.delete",
		]],
	]},
	"backups": {"service": "storage", "rows": [
		["view_resources", "read", "read", ["backup.list", "backup.get"]],
		["manage_backups", "write", "write", [
			"backup.create",
			"backup.copy",
			"backup.restore",
			"backup.schedule",
			"backup.unschedule",
			"backup.delete",
		]],
	]},
	"object_storage": {"service": "object_storage", "rows": [
		["view_resources", "read", "read", ["bucket.list", "bucket.get", "object.list", "object.get"]],
		["manage_object_storage", "write", "write", [
			"bucket.create",
			"bucket.update",
			"bucket.replicate",
			"bucket.delete",
			"bucket.set_policy",
			"bucket.set_lifecycle",
			"object.put",
			"object.copy",
			"object.restore",
			"object.delete",
			"object.tag",
			"object.untag",
			"object.share",
		]],
	]},
	"firewall_policies": {"service": "network", "rows": [
		["view_resources", "read", "read", ["firewall.list", "firewall.get", "security_group.list", "security_group.get"]],
		["configure_firewalls", "write", "write", [
			"firewall.create",
			"firewall.update",
			"firewall.delete",
			"firewall.attach",
			"firewall.detach",
			"firewall.add_rule",
			"firewall.remove_rule",
			"security_group.create",
			"security_group.update",
			"security_group.delete",
			"security_group.attach",
			"security_group.detach",
			"security_group.add_rule",
			"security_group.remove_rule",
		]],
	]},
	"networks": {"service": "network", "rows": [
		["view_resources", "read", "read", [
			"network.list",
			"network.get",
			"subnet.list",
			"subnet.get",
			"router.list",
			"router.get",
			"ip_address.list",
			"ip_address.get",
			"network_acl.list",
			"network_acl.get",
		]],
		["configure_networks", "write", "write", [
			"network.create",
			"network.update",
			"network.delete",
			"network.attach",
			"network.detach",
			"network.peer",
			"network.unpeer",
			"subnet.create",
			"subnet.update",
			"subnet.delete",
			"router.create",
			"router.update",
			"router.delete",
			"ip_address.allocate",
			"ip_address.attach",
			"ip_address.detach",
			"ip_address.release",
			"ip_address.set_reverse_dns",
			"network_acl.create",
			"network_acl.update",
			"network_acl.delete",
			"network_acl.attach",
			"network_acl.detach",
			"network_acl.add_rule",
			"network_acl.remove_rule",
		]],
	]},
	"vpn": {"service": "network", "rows": [
		["view_resources", "read", "read", ["vpn.list", "vpn.get"]],
		["configure_vpn", "write", "write", [
			"vpn.create",
			"vpn.update",
			"vpn.connect",
			"vpn.disconnect",
			"vpn.delete",
		]],
	]},
	"load_balancers": {"service": "network", "rows": [
		["view_resources", "read", "read", ["load_balancer.list", "load_balancer.get"]],
		["configure_load_balancers", "write", "write", [
			"load_balancer.create",
			"load_balancer.update",
			"load_balancer.attach",
			"load_balancer.detach",
			"load_balancer.delete",
		]],
	]},
	"kms": {"service": "kms", "rows": [
		["view_resources", "read", "read", ["kms_key.list", "kms_key.get"]],
		["use_kms_keys", "write", "write", ["kms_key.encrypt", "kms_key.decrypt", "kms_key.sign"]],
		["manage_kms_keys", "write", "write", [
			"kms_key.create",
			"kms_key.update",
			"kms_key.rotate",
			"kms_key.replicate",
			"kms_key.enable",
			"kms_key.disable",
			"kms_key.delete",
		]],
	]},
	"tokens": {"service": "identity", "rows": [
		["view_tokens", "read", "read", ["token.list", "token.get"]],
		["manage_tokens", "write", "admin", ["token.create", "token.update", "token.rotate", "token.revoke"]],
	]},
	"team": {"service": "identity", "rows": [
		["view_resources", "read", "read", ["team.list", "team.get", "group.list", "group.get"]],
		["invite_team_members", "write", "admin", ["team.invite", "team.remove"]],
		["manage_access", "write", "admin", [
			"team.update_role",
			"group.create",
			"group.update",
			"group.delete",
			"acl.create",
			"acl.update",
			"acl.delete",
			"iam_policy.create",
			"iam_policy.update",
			"iam_policy.delete",
			"iam_policy.attach",
			"iam_policy.detach",
		]],
		["review_access", "read", "read", [
			"acl.list",
			"acl.get",
			"iam_policy.list",
			"iam_policy.get",
			"access_review.list",
			"access_review.get",
		]],
	]},
	"two_factor": {"service": "identity", "rows": [
		["secure_own_login", "read", "read", ["two_factor.get", "recovery_code.list", "session.list"]],
		["secure_own_login", "write", "admin", [
			"two_factor.enable",
			"two_factor.verify",
			"two_factor.disable",
			"recovery_code.create",
			"session.revoke",
		]],
		["require_two_factor", "write", "admin", ["two_factor.require", "two_factor.unrequire", "two_factor.reset"]],
	]},
	"billing": {"service": "billing", "rows": [
		["view_billing", "read", "read", [
			"billing.view",
			"invoice.list",
			"invoice.get",
			"usage.list",
			"payment_method.list",
			"payment_method.get",
		]],
		["manage_billing", "write", "admin", ["billing.update", "invoice.pay"]],
		["manage_payment_methods", "write", "admin", ["payment_method.create", "payment_method.update", "payment_method.delete"]],
	]},
	"account": {"service": "account", "rows": [
		["view_resources", "read", "read", ["account.get", "quota.list"]],
		["manage_account", "write", "admin", [
			"account.update",
			"account.set_ip_allowlist",
			"account.set_regions",
			"account.set_guardrails",
			"quota.request",
		]],
		["export_account", "write", "admin", ["account.export"]],
		["delete_account", "write", "admin", ["account.delete"]],
	]},
	"audit_logs": {"service": "audit", "rows": [
		["view_audit_logs", "read", "read", ["audit_log.list", "audit_log.get", "audit_log.verify"]],
		["export_audit_logs", "read", "read", ["audit_log.export"]],
		["configure_audit_logs", "write", "admin", ["audit_log.configure_syslog"]],
	]},
	"reports": {"service": "audit", "rows": [
		["view_reports", "read", "read", ["report.list", "report.get", "report.download"]],
		["manage_reports", "write", "admin", [
			"report.create",
			"report.delete",
			"export.create",
			"export.schedule",
			"export.cancel",
			"export.delete",
		]],
		["view_exports", "read", "read", ["export.list", "export.get"]],
	]},
	"alerts": {"service": "audit", "rows": [
		["view_alerts", "read", "read", ["alert.list", "alert.get"]],
		["manage_alerts", "write", "admin", [
			"alert.create",
			"alert.update",
			"alert.delete",
			"alert.acknowledge",
			"alert.silence",
		]],
	]},
	"changes": {"service": "governance", "rows": [
		["view_resources", "read", "read", ["change.list", "change.get"]],
		["request_changes", "write", "write", ["change.request", "change.cancel"]],
		["approve_changes", "write", "admin", ["change.approve", "change.reject"]],
	]},
}

# What puts data somewhere, so residency concerns it.
places := {"instance.create", "instance.clone", "instance.import", "instance.migrate", "image.create", "image.import", "image.copy", "image.share", "drive.create", "drive.clone", "volume.create", "volume.clone", "volume.replicate", "snapshot.create", "snapshot.clone", "snapshot.copy", "snapshot.restore", "backup.create", "backup.copy", "backup.restore", "backup.schedule", "bucket.create", "bucket.replicate", "object.put", "object.copy", "object.restore", "kms_key.create", "kms_key.replicate", "export.create", "export.schedule"}

# What is needed to enrol in two-factor authentication.
enrols := {"two_factor.get", "two_factor.enable", "two_factor.verify", "recovery_code.create"}

# What concerns the asking person's own login.
own := {"two_factor.get", "recovery_code.list", "session.list", "two_factor.enable", "two_factor.verify", "two_factor.disable", "recovery_code.create", "session.revoke"}

# What is an approval, so separation of duties concerns it.
approves := {"change.approve"}

flags(action) := {flag: true | some flag, actions in {"places": places, "enrols": enrols, "own": own, "approves": approves}; action in actions}

entries := {action: object.union(entry, flags(action)) |
	some module, stated in modules
	some [permission, access, scope, actions] in stated.rows
	some action in actions
	entry := {
		"service": stated.service,
		"module": module,
		"permission": permission,
		"access": access,
		"verb": split(action, ".")[1],
		"scope": scope,
	}
}

test_every_action_stands_in_the_catalogue_as_stated[action] if {
	some action, entry in entries
	data.catalogue.actions[action] == entry
}

test_catalogue_holds_nothing_else if {
	data.catalogue.actions == entries
}
