package verdict_test.grants.acl

import data.verdict_test.asked

entry(name, target, access) := asked.entity("acl", concat(":", ["acc-1", name]), {"grantee": "user/usr-1", "target": target, "access": access})

# A member without a role asks, in an account whose one model is acl.
with_entries(action, entries) := object.union(
	asked.of_account(asked.by("", action), {"access_models": ["acl"]}),
	{"directory": {"acl": entries}},
)

codes(action, entries) := asked.codes(asked.decided(with_entries(action, entries)))

# The five examples of product.md, B.

test_accounting_sees_billing_and_touches_neither_servers_nor_networks if {
	accounting := [entry("accounting", {"module": "billing"}, "read-only")]
	message := "The ACL entry acc-1:accounting allows user/usr-1 billing.view on the module billing."
	asked.decided(with_entries("billing.view", accounting)) == asked.answer(true, "acl.module", message)
	codes("invoice.list", accounting) == ["acl.module"]
	codes("payment_method.update", accounting) == ["acl.read_only"]
	codes("instance.list", accounting) == ["acl.none"]
	codes("network.list", accounting) == ["acl.none"]
}

juniors := [object.union(entry("juniors", {"module": "servers"}, "read-write"), {"properties": {"verbs": ["start", "stop"]}})]

test_junior_starts_and_stops_servers if {
	codes("instance.start", juniors) == ["acl.module"]
	codes("instance.stop", juniors) == ["acl.module"]
	codes("instance.list", juniors) == ["acl.module"]
}

test_junior_creates_and_deletes_nothing[action] if {
	some action in ["instance.create", "instance.delete"]
	message := sprintf(
		"The ACL entry acc-1:juniors does not allow %s on the module servers; it takes read-write with the verb %s.",
		[action, data.catalogue.actions[action].verb],
	)
	asked.decided(with_entries(action, juniors)) == asked.answer(false, "acl.read_only", message)
}

test_senior_manages_everything_except_billing[note] if {
	seniors := [entry("seniors", {"module": "*", "except": ["billing"]}, "read-write")]
	some note, [action, code] in {
		"creates instances": ["instance.create", "acl.module"],
		"deletes networks": ["network.delete", "acl.module"],
		"changes firewalls": ["firewall.update", "acl.module"],
		"sees no billing": ["billing.view", "acl.none"],
		"pays nothing": ["invoice.pay", "acl.none"],
	}
	codes(action, seniors) == [code]
}

test_operations_have_firewalls_and_networks_not_servers[note] if {
	operations := [
		entry("ops-firewalls", {"module": "firewall_policies"}, "read-write"),
		entry("ops-networks", {"module": "networks"}, "read-write"),
	]
	some note, [action, code] in {
		"firewall": ["firewall.update", "acl.module"],
		"network": ["network.create", "acl.module"],
		"server": ["instance.list", "acl.none"],
	}
	codes(action, operations) == [code]
}

team := [entry("blue", {"tag": "team-blue"}, "read-write")]

test_team_has_the_servers_with_its_tag_and_nothing_else if {
	tagged := asked.with_facts(with_entries("instance.delete", team), {"directory_tags": ["env:prod", "team-blue"]})
	message := "The ACL entry acc-1:blue allows user/usr-1 instance.delete on what carries the tag team-blue."
	asked.decided(tagged) == asked.answer(true, "acl.tag", message)
	other := asked.with_facts(with_entries("instance.delete", team), {"directory_tags": ["team-red"]})
	asked.codes(asked.decided(other)) == ["acl.none"]
}

test_tag_that_only_the_request_claims_grants_nothing if {
	claimed := asked.with_facts(with_entries("instance.delete", team), {"tags": ["team-blue"]})
	message := "No ACL entry allows the user usr-1 instance.delete; it takes one on the module servers, on instance/inst-1 or on one of its tags."
	asked.decided(claimed) == asked.answer(false, "acl.none", message)
}

test_entry_on_a_resource_is_for_that_resource if {
	one := [entry("one", {"resource": "instance/inst-1"}, "read-write")]
	message := "The ACL entry acc-1:one allows user/usr-1 instance.stop on instance/inst-1."
	asked.decided(with_entries("instance.stop", one)) == asked.answer(true, "acl.resource", message)
	other := object.union(with_entries("instance.stop", one), {"resource": {"id": "inst-2"}})
	asked.codes(asked.decided(other)) == ["acl.none"]
}

test_entry_on_every_module_is_for_every_module if {
	message := "The ACL entry acc-1:all allows user/usr-1 billing.view on every module."
	every_module := [entry("all", {"module": "*"}, "read-only")]
	asked.decided(with_entries("billing.view", every_module)) == asked.answer(true, "acl.module", message)
}

test_access_that_is_no_access_grants_nothing[note] if {
	some note, access in {"none": "none", "a list": ["read-write"], "null": null}
	some_entry := [entry("odd", {"module": "servers"}, access)]
	codes("instance.list", some_entry) == ["acl.read_only"]
}

test_target_of_two_kinds_grants_nothing if {
	codes("instance.list", [entry("two", {"module": "servers", "tag": "team-blue"}, "read-write")]) == ["acl.none"]
}

ending(ms) := [object.union(entry("short", {"module": "servers"}, "read-only"), {"properties": {"ends": "2026-11-22T04:03:48Z"}, "ends_ms": ms})]

test_entry_counts_until_it_ends if {
	codes("instance.list", ending(asked.now + 1000)) == ["acl.module"]
	codes("instance.list", ending(asked.now)) == ["acl.none"]
	codes("instance.list", ending(asked.now - 1000)) == ["acl.none"]
	codes("instance.list", ending(null)) == ["acl.none"]
}

test_entries_count_only_where_the_account_uses_them if {
	question := asked.of_account(with_entries("instance.list", team), {"access_models": ["roles"]})
	asked.codes(asked.decided(object.union(question, {"directory": {"acl": [entry("all", {"module": "*"}, "read-write")]}}))) == ["rbac.role"]
	not asked.is_allowed(question)
}

test_exception_that_is_no_list_grants_nothing if {
	codes("instance.list", [entry("odd", {"module": "*", "except": "billing"}, "read-write")]) == ["acl.none"]
}

test_account_settings_are_granted_by_module_alone[note] if {
	some note, target in {"the thing itself": {"resource": "instance/inst-1"}, "its tag": {"tag": "team-1"}}
	entries := [entry("one", target, "read-write")]
	asked.codes(asked.decided(asked.with_facts(with_entries("account.delete", entries), {"directory_tags": ["team-1"]}))) == ["acl.none"]
}

test_somebody_elses_login_is_no_module if {
	entries := [entry("all", {"module": "*"}, "read-write")]
	theirs := object.union(with_entries("two_factor.disable", entries), {"resource": {"type": "user", "id": "usr-2"}})
	not asked.is_allowed(theirs)
	asked.is_allowed(object.union(theirs, {"resource": {"id": "usr-1"}}))
}
