# The levels; residency, user data and duties.
package verdict_test.guardrails

import data.verdict_test.asked

opening(from, to, direction) := asked.with_facts(
	asked.by("owner", "firewall.update"),
	{"firewall": {
		"rules": [{"index": 0, "direction": direction, "allow": true, "protocol": "tcp", "from": from, "to": to, "anywhere": true}],
		"unreadable": [],
	}},
)

in_london(action) := asked.of_account(
	asked.with_facts(asked.by("owner", action), {"target_regions": ["london-1"]}),
	{"regions": ["lagos-1", "frankfurt-1"]},
)

with_secret := asked.with_facts(
	asked.by("owner", "instance.create"),
	{"user_data": {"findings": [{"kind": "AWS access key id", "line": 3}, {"kind": "private key", "line": 9}]}},
)

own_change := object.union(
	asked.by("owner", "change.approve"),
	{
		"resource": {"type": "change", "id": "chg-1", "properties": {"requested_by": "usr-1"}},
		"directory": {"resource": asked.entity("change", "chg-1", {"requested_by": "usr-1"})},
	},
)

# name → [a question that it concerns, its code, its level where the account sets none]
guardrails := {
	"firewall.all_ports": [opening(1, 65535, "inbound"), "firewall.all_ports", "deny"],
	"firewall.database_port": [opening(5432, 5432, "inbound"), "firewall.database_port", "deny"],
	"firewall.ssh": [opening(22, 22, "inbound"), "firewall.ssh", "deny"],
	"firewall.egress": [opening(1, 65535, "outbound"), "firewall.egress", "warn"],
	"ssh_key": [asked.with_facts(asked.by("owner", "ssh_key.create"), {"ssh_key": {"valid": false, "message": "No."}}), "ssh_key.rejected", "deny"],
	"residency": [in_london("instance.create"), "residency.region", "deny"],
	"user_data": [with_secret, "user_data.secret", "deny"],
	"duties": [own_change, "duties.same_person", "deny"],
}

# How an answer reads one code.
read(answered, code) := "deny" if {
	code in asked.codes(answered)
	not answered.allow
} else := "warn" if {
	code in asked.advised(answered)
} else := "off"

test_default_level_is_as_stated[name] if {
	some name, [question, code, level] in guardrails
	read(asked.decided(question), code) == level
}

test_no_other_guardrail_has_a_level if {
	object.keys(data.guardrails.defaults) == object.keys(guardrails)
}

test_account_sets_the_level[note] if {
	some name, [question, code, _] in guardrails
	some level in ["off", "warn", "deny"]
	note := sprintf("%s: %s", [name, level])
	read(asked.decided(asked.of_account(question, {"guardrails": {name: level}})), code) == level
}

test_level_that_is_none_is_deny[note] if {
	some note, level in {"another word": "denied", "null": null, "false": false, "true": true}
	read(asked.decided(asked.of_account(with_secret, {"guardrails": {"user_data": level}})), "user_data.secret") == "deny"
}

test_data_stays_in_the_accounts_regions[action] if {
	some action in ["instance.create", "snapshot.copy", "bucket.replicate"]
	message := sprintf("%s would put data into london-1; this account's data stays in lagos-1 or frankfurt-1.", [action])
	asked.decided(in_london(action)) == asked.answer(false, "residency.region", message)
	asked.is_allowed(asked.with_facts(in_london(action), {"target_regions": ["lagos-1"]}))
}

test_every_region_that_data_goes_to_counts if {
	asked.codes(asked.decided(asked.with_facts(in_london("bucket.replicate"), {"target_regions": ["lagos-1", "london-1"]}))) == ["residency.region"]
}

test_action_that_puts_no_data_may_be_anywhere if {
	asked.is_allowed(in_london("instance.start"))
}

test_account_without_regions_may_be_anywhere if {
	asked.is_allowed(asked.with_facts(asked.by("owner", "instance.create"), {"target_regions": ["london-1"]}))
}

test_without_a_target_data_stays_where_the_resource_is[note] if {
	some note, targets in {"none told": null, "an empty list": []}
	question := object.union(json.remove(in_london("snapshot.restore"), ["facts/target_regions"]), {"facts": told(targets)})
	asked.is_allowed(asked.with_facts(question, {"region": "lagos-1"}))
	asked.codes(asked.decided(asked.with_facts(question, {"region": "london-1"}))) == ["residency.region"]
	message := "snapshot.restore does not say into which region it puts data; this account's data stays in lagos-1 or frankfurt-1."
	asked.decided(question) == asked.answer(false, "residency.region", message)
}

told(null) := {}

told([]) := {"target_regions": []}

test_regions_that_are_none_allow_nowhere[note] if {
	some note, regions in {"empty": [], "a text": "london-1"}
	asked.decided(asked.of_account(in_london("instance.create"), {"regions": regions})).allow == false
}

test_secrets_in_user_data_are_named_by_kind_and_line if {
	message := "The user data holds AWS access key id in line 3, private key in line 9; it takes a secret store, or an identity of the instance's own."
	asked.decided(with_secret) == asked.answer(false, "user_data.secret", message)
	asked.is_allowed(object.union(with_secret, {"facts": {"user_data": {"findings": []}}}))
}

test_whoever_asked_for_a_change_does_not_approve_it[note] if {
	some note, asker in {"an id": "usr-1", "type and id": "user/usr-1"}
	question := object.union(own_change, {"directory": {"resource": {"properties": {"requested_by": asker}}}})
	message := "The user usr-1 asked for change/chg-1; its approval takes somebody else."
	asked.decided(question) == asked.answer(false, "duties.same_person", message)
}

test_somebody_else_approves_it if {
	asked.is_allowed(object.union(own_change, {"directory": {"resource": {"properties": {"requested_by": "usr-2"}}}}))
}

test_change_that_nobody_asked_for_is_not_approved[note] if {
	some note, asker in {"null": null, "empty": "", "a list": ["usr-2"]}
	question := object.union(own_change, {"directory": {"resource": {"properties": {"requested_by": asker}}}})
	message := "change/chg-1 does not say who asked for it (requested_by); its approval takes somebody else than they."
	asked.decided(question) == asked.answer(false, "duties.same_person", message)
}

test_token_of_whoever_asked_approves_nothing if {
	question := object.union(own_change, {
		"subject": {"type": "token", "id": "tok-1"},
		"directory": {"token": asked.entity("token", "tok-1", {"owner": "usr-1", "scope": "admin"})},
	})
	asked.codes(asked.decided(question)) == ["duties.same_person"]
}

test_looking_and_taking_away_open_nothing[action] if {
	some action in ["firewall.get", "firewall.delete", "firewall.remove_rule", "team.remove"]
	opening_everything := asked.with_facts(asked.by("owner", action), opening(1, 65535, "inbound").facts)
	asked.is_allowed(opening_everything)
}

test_unreadable_rule_that_is_taken_away_is_no_matter if {
	unread := {"firewall": {"rules": [], "unreadable": [{"index": 0, "message": "No."}]}}
	asked.codes(asked.decided(asked.with_facts(asked.by("owner", "firewall.update"), unread))) == ["firewall.unreadable"]
	asked.is_allowed(asked.with_facts(asked.by("owner", "firewall.delete"), unread))
}

test_claim_of_who_asked_for_a_change_is_no_matter if {
	claimed := object.union(
		asked.by("owner", "change.approve"),
		{"resource": {"type": "change", "id": "chg-9", "properties": {"requested_by": "usr-2"}}},
	)
	asked.codes(asked.decided(claimed)) == ["duties.same_person"]
}
