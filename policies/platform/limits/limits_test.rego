package verdict_test.limits

import data.verdict_test.asked

now := asked.now

token(properties) := asked.entity("token", "tok-1", object.union({"owner": "usr-1"}, properties))

# The owner of the account asks with a token of theirs.
with_token(action, properties, times) := object.union(
	asked.by("owner", action),
	{"context": {"token": "tok-1"}, "directory": {"token": token(properties)}, "facts": {"times": times}},
)

decided(action, properties, times) := asked.decided(with_token(action, properties, times))

denied(code, message) := asked.answer(false, code, message)

# An action of each scope.
actions := {"read": "instance.list", "write": "instance.create", "admin": "account.update"}

covered := {"read": {"read"}, "write": {"read", "write"}, "admin": {"read", "write", "admin"}}

test_scope_covers_what_it_names[note] if {
	some scope, scopes in covered
	some needed in scopes
	note := sprintf("%s covers %s", [scope, needed])
	decided(actions[needed], {"scope": scope}, {}).allow
}

test_scope_covers_nothing_else[note] if {
	some scope, scopes in covered
	some needed in (object.keys(actions) - scopes)
	note := sprintf("%s does not cover %s", [scope, needed])
	message := sprintf(
		"The token tok-1's scope %s does not cover %s; it takes at least the scope %s.",
		[scope, actions[needed], needed],
	)
	decided(actions[needed], {"scope": scope}, {}) == denied("token.scope", message)
}

test_scope_is_write_where_none_is_named if {
	decided(actions.write, {}, {}).allow
	message := "The token tok-1's scope write does not cover account.update; it takes at least the scope admin."
	decided(actions.admin, {}, {}) == denied("token.scope", message)
}

test_scopes_are_these_three if {
	object.keys(data.limits.scopes) == object.keys(covered)
}

test_scope_does_not_widen_the_owners_role if {
	question := asked.of_member(with_token("instance.create", {"scope": "admin"}, {}), {"role": "viewer"})
	asked.codes(asked.decided(question)) == ["rbac.role"]
}

test_action_without_a_scope_or_service_is_denied if {
	entry := {"permission": "view_resources", "module": "odd", "access": "read", "verb": "list"}
	answered := decided("odd.list", {"services": ["compute"]}, {}) with data.catalogue.actions as {"odd.list": entry}
	answered.reasons == [
		{
			"code": "token.scope",
			"message": "The token tok-1's scope write does not cover odd.list; it takes at least the scope that its entry in the catalogue lacks.",
		},
		{
			"code": "token.service",
			"message": "The token tok-1 is restricted to other services; it takes the service that its entry in the catalogue lacks for odd.list.",
		},
	]
}

test_token_is_restricted_to_its_services if {
	decided("instance.list", {"services": ["storage", "compute"]}, {}).allow
	message := "The token tok-1 is restricted to other services; it takes the service compute for instance.list."
	decided("instance.list", {"services": ["storage"]}, {}) == denied("token.service", message)
	asked.codes(decided("instance.list", {"services": []}, {})) == ["token.service"]
}

test_token_that_is_unknown_is_denied[note] if {
	unknown := object.union(asked.by("owner", "instance.list"), {"context": {"token": "tok-9"}})
	some note, question in {
		"none": unknown,
		"no entity": object.union(unknown, {"directory": {"token": "tok-9"}}),
		"another account's": object.union(unknown, {"directory": {"token": object.union(token({}), {"account": "acc-2"})}}),
		"asking itself": object.union(asked.by("owner", "instance.list"), {"subject": {"type": "token", "id": "tok-9"}}),
	}
	message := "The directory knows no such token in this account; it takes one that stands there."
	asked.decided(question) == denied("token.unknown", message)
}

test_token_of_no_account_is_for_every_account_of_its_owner if {
	question := object.union(with_token("instance.list", {}, {}), {"directory": {"token": {"account": null}}})
	asked.is_allowed(question)
}

test_token_asks_as_its_owner if {
	question := object.union(with_token("instance.list", {}, {}), {"subject": {"type": "token", "id": "tok-1"}})
	asked.is_allowed(question)
	ownerless := object.union(question, {"directory": {"token": {"properties": {"owner": null}}}})
	message := "The token tok-1 is not the token tok-1's; it takes one's own token."
	asked.decided(ownerless) == denied("token.owner", message)
}

test_token_of_somebody_else_is_denied if {
	message := "The token tok-1 is not the user usr-1's; it takes one's own token."
	decided("instance.list", {"owner": "usr-2"}, {}) == denied("token.owner", message)
	asked.codes(decided("instance.list", {"owner": null}, {})) == ["token.owner"]
}

test_token_that_is_revoked_is_denied[note] if {
	some note, revoked in {"true": true, "a time": "2026-01-01T00:00:00Z", "null": null}
	decided("instance.list", {"revoked": revoked}, {}) == denied("token.revoked", "The token tok-1 is revoked; it takes a valid one.")
}

test_token_that_is_not_revoked_is_allowed if {
	decided("instance.list", {"revoked": false}, {}).allow
}

expiring(ms) := decided("instance.list", {"expires": "2026-11-22T04:03:48Z"}, {"token_expires": ms})

test_token_counts_until_it_expires if {
	expiring(now + 1000).allow
	message := "The token tok-1 expired at 2026-11-22T04:03:48Z; it takes a valid one."
	expiring(now) == denied("token.expired", message)
	asked.codes(expiring(now - 1000)) == ["token.expired"]
}

beginning(ms) := decided("instance.list", {"not_before": "2026-11-22T04:03:48Z"}, {"token_not_before": ms})

test_token_counts_from_when_it_is_valid if {
	beginning(now).allow
	beginning(now - 1000).allow
	message := "The token tok-1 is valid only from 2026-11-22T04:03:49Z."
	beginning(now + 1000) == denied("token.not_yet_valid", message)
}

test_token_without_the_time_of_the_question_is_denied if {
	timeless := json.remove(with_token("instance.list", {"expires": "…", "not_before": "…"}, {"token_expires": now, "token_not_before": now}), ["facts/now"])
	asked.codes(asked.decided(timeless)) == ["token.expired", "token.not_yet_valid"]
}

test_token_that_can_not_be_read_is_denied[note] if {
	some note, [properties, times] in {
		"created": [{"created": "soon"}, {"token_created": null}],
		"expires": [{"expires": "soon"}, {"token_expires": null}],
		"not_before": [{"not_before": "soon"}, {"token_not_before": null}],
		"scope": [{"scope": "everything"}, {}],
		"services": [{"services": false}, {}],
	}
	message := sprintf("The token tok-1 says what can't be read in %s; it is refused until that is mended.", [note])
	decided("instance.list", properties, times) == denied("token.invalid", message)
}

test_token_whose_times_nobody_worked_out_is_denied if {
	asked.codes(decided("instance.list", {"expires": "2027-01-01T00:00:00Z"}, {})) == ["token.invalid"]
}

aged(ms) := decided("instance.list", {"created": "…"}, {"token_created": now - ms})

test_token_older_than_ninety_days_is_due_for_rotation if {
	ninety := 7776000000
	aged(ninety).advice == []
	aged(ninety - 1000).advice == []
	answered := aged(ninety + 1000)
	answered.allow
	answered.advice == [{"code": "token.rotate", "message": "The token tok-1 is older than 90 days; make a new one, then revoke it."}]
}

test_two_valid_tokens_stand_side_by_side if {
	old := with_token("instance.list", {"created": "…"}, {"token_created": now - 8000000000})
	new := object.union(old, {"context": {"token": "tok-2"}, "directory": {"token": {"id": "tok-2"}}, "facts": {"times": {"token_created": now}}})
	asked.advised(asked.decided(old)) == ["token.rotate"]
	asked.decided(new) == asked.answer(true, "rbac.role", "The role owner may do instance.list.")
}
