package verdict_test.conditions.root

import data.verdict_test.asked

with_ticket(action, ticket) := object.union(asked.by("root", action), {"context": {"break_glass": {"ticket": ticket}}})

test_root_may_do_billing[action] if {
	some action in ["billing.view", "invoice.pay", "payment_method.update"]
	message := sprintf("The role root may do %s: it is for billing.", [action])
	asked.decided(asked.by("root", action)) == asked.answer(true, "root.billing", message)
}

test_root_may_do_nothing_else[action] if {
	some action in ["instance.list", "account.delete", "token.create", "two_factor.enable", "audit_log.list"]
	message := sprintf("The role root is for billing and may not do %s; it takes a ticket in context.break_glass.", [action])
	asked.decided(asked.by("root", action)) == asked.answer(false, "root.billing_only", message)
}

test_root_breaks_glass_with_a_ticket_and_an_alert if {
	asked.decided(with_ticket("instance.delete", "INC-7")) == {
		"allow": true,
		"reasons": [{"code": "root.break_glass", "message": "The role root may do instance.delete under the ticket INC-7: it breaks glass."}],
		"advice": [{
			"code": "root.break_glass",
			"message": "Root broke glass under the ticket INC-7; the account's owners should know of it.",
			"ticket": "INC-7",
			"alert": "access.break_glass",
		}],
	}
}

test_billing_breaks_no_glass if {
	answered := asked.decided(with_ticket("billing.view", "INC-7"))
	asked.codes(answered) == ["root.billing"]
	answered.advice == []
}

test_ticket_that_is_none_breaks_nothing[note] if {
	some note, ticket in {"empty": "", "blank": "  ", "null": null, "a number": 7, "true": true}
	answered := asked.decided(with_ticket("instance.delete", ticket))
	asked.codes(answered) == ["root.billing_only"]
	answered.advice == []
}

test_ticket_is_for_root_alone if {
	question := object.union(asked.by("viewer", "instance.delete"), {"context": {"break_glass": {"ticket": "INC-7"}}})
	asked.codes(asked.decided(question)) == ["rbac.role"]
}

test_breaking_glass_that_is_denied_alerts_nobody if {
	question := asked.of_account(with_ticket("instance.delete", "INC-7"), {"ip_allowlist": ["192.0.2.0/24"]})
	answered := asked.decided(question)
	asked.codes(answered) == ["ip.unknown"]
	answered.advice == []
}

test_no_other_grant_widens_roots if {
	entry := asked.entity("acl", "acc-1:all", {"grantee": "user/usr-1", "target": {"module": "*"}, "access": "read-write"})
	question := object.union(asked.by("root", "instance.list"), {"directory": {"acl": [entry]}})
	asked.codes(asked.decided(asked.of_account(question, {"access_models": ["roles", "acl", "iam"]}))) == ["root.billing_only"]
}
