package verdict_test.conditions.two_factor

import data.verdict_test.asked

# Two-factor authentication was required at this time: seven days before the deadline.
since := 1795320228000

deadline := 1795925028000

# A member who joined at a time and has these methods asks at another.
at(now, joined, methods) := object.union(
	asked.of_member(asked.of_account(asked.by("owner", "instance.list"), {"require_2fa": {"since": "2026-11-22T04:03:48Z"}}), {"joined": "…"}),
	{
		"directory": {"subject": {"properties": {"two_factor": {"methods": methods}}}},
		"facts": {"now": now, "times": {"required_since": since, "joined": joined}},
	},
)

doing(action, question) := object.union(question, {"action": {"name": action}})

with_login(mfa, question) := object.union(question, {"context": {"mfa": mfa}})

test_member_from_before_has_seven_days_and_is_told_until_when if {
	asked.decided(at(deadline - 1000, since - 1000, [])) == {
		"allow": true,
		"reasons": [{"code": "rbac.role", "message": "The role owner may do instance.list."}],
		"advice": [{
			"code": "mfa.enrol",
			"message": "This account requires two-factor authentication; the user usr-1 is shut out unless enrolled (totp or hardware_key) by 2026-11-29T04:03:48Z.",
			"until": "2026-11-29T04:03:48Z",
		}],
	}
}

test_member_from_before_is_shut_out_after_the_deadline[note] if {
	some note, now in {"at it": deadline, "one second after": deadline + 1000}
	words := "This account requires two-factor authentication, and the user usr-1's time to enrol (totp or hardware_key) ended at 2026-11-29T04:03:48Z."
	asked.decided(at(now, since - 1000, [])) == asked.answer(false, "mfa.overdue", words)
}

test_member_without_a_date_of_joining_was_there_before if {
	question := json.remove(at(deadline - 1000, null, []), ["directory/membership/properties/joined", "facts/times/joined"])
	asked.advised(asked.decided(question)) == ["mfa.enrol"]
	asked.codes(asked.decided(asked.with_facts(question, {"now": deadline}))) == ["mfa.overdue"]
}

test_member_who_joins_later_enrols_at_once[note] if {
	some note, joined in {"at the time": since, "one second after": since + 1000, "at a time that is none": null}
	words := "This account requires two-factor authentication of who joins, and the user usr-1 has to enrol (totp or hardware_key) first."
	asked.decided(at(since + 2000, joined, [])) == asked.answer(false, "mfa.required", words)
}

test_requirement_that_can_not_be_read_counts_at_once if {
	question := asked.with_facts(at(since, since - 1000, []), {"times": {"required_since": null}})
	asked.codes(asked.decided(question)) == ["mfa.required"]
}

test_question_without_its_time_is_after_every_deadline if {
	question := json.remove(at(since, since - 1000, []), ["facts/now"])
	asked.codes(asked.decided(question)) == ["mfa.overdue"]
}

test_who_is_enrolled_goes_on[method] if {
	some method in ["totp", "hardware_key"]
	answered := asked.decided(at(deadline, since - 1000, ["sms", method]))
	answered.allow
	answered.advice == []
}

test_sms_alone_does_not_enrol if {
	asked.codes(asked.decided(at(deadline, since - 1000, ["sms"]))) == ["mfa.overdue"]
}

test_what_is_needed_to_enrol_is_never_held_back[action] if {
	some action in ["two_factor.get", "two_factor.enable", "two_factor.verify", "recovery_code.create"]
	answered := asked.decided(with_login("sms", doing(action, at(deadline, since - 1000, []))))
	answered.allow
	answered.advice == []
}

test_two_factor_is_not_given_up_past_the_deadline if {
	asked.codes(asked.decided(doing("two_factor.disable", at(deadline, since - 1000, [])))) == ["mfa.overdue"]
}

test_login_without_the_second_factor_is_denied if {
	message := "This account requires two-factor authentication, and this login was made without; it takes a login with totp or hardware_key."
	asked.decided(with_login(false, at(deadline, since - 1000, ["totp"]))) == asked.answer(false, "mfa.missing", message)
	asked.is_allowed(with_login(true, at(deadline, since - 1000, ["totp"])))
	asked.is_allowed(at(deadline, since - 1000, ["totp"]))
}

test_sms_is_never_enough_for_account_settings if {
	message := "A second factor by SMS is a backup only; account.update takes a login with totp or hardware_key."
	settings := doing("account.update", at(since, since - 1000, ["totp", "sms"]))
	asked.decided(with_login("sms", settings)) == asked.answer(false, "mfa.sms", message)
	asked.is_allowed(with_login("totp", settings))
	asked.is_allowed(with_login("hardware_key", settings))
	asked.is_allowed(with_login(true, settings))
	asked.is_allowed(with_login("sms", at(since, since - 1000, ["totp", "sms"])))
	asked.is_allowed(with_login("sms", doing("instance.delete", at(since, since - 1000, ["totp", "sms"]))))
}

test_sms_is_never_enough_also_where_nothing_is_required if {
	asked.codes(asked.decided(with_login("sms", asked.by("owner", "account.update")))) == ["mfa.sms"]
	only_sms := object.union(asked.by("owner", "account.update"), {"directory": {"subject": {"properties": {"two_factor": {"methods": ["sms"]}}}}})
	asked.codes(asked.decided(with_login(true, only_sms))) == ["mfa.sms"]
	asked.is_allowed(only_sms)
}

test_services_have_no_second_factor if {
	service := asked.of_member(at(deadline, since - 1000, []), {"subject_type": "service"})
	asked.decided(service).advice == []
	asked.is_allowed(service)
	not asked.is_allowed(object.union(at(deadline, since - 1000, []), {"subject": {"type": "service"}}))
}

test_account_that_does_not_require_it_holds_nobody_back if {
	asked.is_allowed(asked.of_account(at(deadline, since - 1000, []), {"require_2fa": false}))
}
