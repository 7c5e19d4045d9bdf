package verdict_test

import data.verdict
import data.verdict_test.asked

test_action_that_the_catalogue_does_not_know_is_denied[note] if {
	some note, action in {"unknown": "instance.explode", "empty": "", "a permission's name": "view_resources"}
	message := sprintf("The action %s is not in the catalogue of actions.", [action])
	asked.decided(asked.by("owner", action)) == asked.answer(false, "action.unknown", message)
}

test_action_that_is_no_name_is_denied[note] if {
	some note, action in {"null": null, "a number": 1, "a list": ["instance.list"], "an object": {}}
	message := "The action that was asked for is not in the catalogue of actions."
	asked.decided(asked.by("owner", action)) == asked.answer(false, "action.unknown", message)
}

test_empty_question_is_denied if {
	verdict.decision.reasons[0].code == "action.unknown" with input as {}
}

test_account_that_the_directory_does_not_know_is_denied[note] if {
	some note, account in {"null": null, "a list": [], "without properties": {"id": "acc-1"}}
	message := "The directory does not know the account that this concerns; it must stand there with its settings."
	question := object.union(json.remove(asked.by("owner", "instance.list"), ["directory/account"]), {"directory": {"account": account}})
	asked.decided(question) == asked.answer(false, "account.unknown", message)
}

test_question_without_a_directory_is_denied if {
	asked.codes(asked.decided(object.remove(asked.by("owner", "instance.list"), ["directory"]))) == ["account.unknown"]
}

test_question_of_an_older_verdict_without_facts_is_answered if {
	asked.is_allowed(object.remove(asked.by("owner", "instance.list"), ["facts"]))
}

test_claims_of_the_request_grant_nothing[action] if {
	member := {"role": "owner", "policies": ["ReadOnlyAccess"], "groups": ["ops"]}
	entry := asked.entity("acl", "acc-1:all", {"grantee": "user/usr-1", "target": {"module": "*"}, "access": "read-write"})
	claimed := {
		"role": "owner",
		"access_models": ["roles", "acl", "iam"],
		"membership": {"properties": member},
		"directory": {"membership": {"properties": member}, "acl": [entry]},
		"policies": ["ReadOnlyAccess"],
		"acl": [entry],
		"tags": ["team-blue"],
		"directory_tags": ["team-blue"],
	}
	some action in ["account.delete", "instance.delete", "billing.view"]
	question := object.union(
		asked.by("viewer", action),
		{"subject": {"properties": claimed}, "resource": {"properties": claimed}, "action": {"properties": claimed}, "context": claimed},
	)
	asked.decided(question).reasons == asked.decided(asked.by("viewer", action)).reasons
	not asked.is_allowed(question)
}

test_all_that_denies_is_listed_and_what_is_missing_first if {
	question := object.union(
		asked.of_account(asked.by("viewer", "firewall.update"), {"ip_allowlist": ["10.0.0.0/8"]}),
		{"context": {"ip": "192.0.2.1", "token": "tok-1"}},
	)
	rule := {"index": 0, "direction": "inbound", "allow": true, "protocol": "tcp", "from": 22, "to": 22, "anywhere": true}
	answered := asked.decided(asked.with_facts(question, {"firewall": {"rules": [rule], "unreadable": []}}))
	asked.codes(answered) == ["rbac.role", "token.unknown", "ip.not_allowed", "firewall.ssh"]
	answered.allow == false
}

test_deny_overrides_a_grant if {
	question := asked.of_account(asked.by("owner", "instance.list"), {"ip_allowlist": ["10.0.0.0/8"]})
	asked.codes(asked.decided(object.union(question, {"context": {"ip": "192.0.2.1"}}))) == ["ip.not_allowed"]
}
