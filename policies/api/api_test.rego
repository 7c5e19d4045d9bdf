package verdict_test.api

import data.verdict.api

permissions := ["decision.evaluate", "audit.read"]

asking(caller, need) := answered if {
	answered := api.decision with input as {"caller": caller, "need": need}
}

caller(accounts) := {"id": "key:key-1", "permissions": permissions, "accounts": accounts}

needing(permission, account) := {"permission": permission, "account": account}

denied(code, message) := {"allow": false, "reasons": [{"code": code, "message": message}], "advice": []}

test_permission_on_the_callers_account_is_allowed[note] if {
	some note, [accounts, account] in {
		"one of its own": [["acc-1", "acc-2"], "acc-2"],
		"all accounts": ["all", "acc-9"],
		"no account": [["acc-1"], null],
		"no account, of all": ["all", null],
	}
	message := "The caller key:key-1 has the permission audit.read."
	asking(caller(accounts), needing("audit.read", account)) == {
		"allow": true,
		"reasons": [{"code": "caller.permission", "message": message}],
		"advice": [],
	}
}

test_permission_that_the_caller_lacks_is_denied if {
	message := "The caller key:key-1 does not have the permission audit.export, which this takes."
	asking(caller("all"), needing("audit.export", "acc-1")) == denied("caller.permission", message)
}

test_another_account_is_denied[note] if {
	some note, accounts in {"a list": ["acc-1"], "an empty list": [], "not all": "everything", "null": null, "an object": {"acc-2": true}}
	message := "The caller key:key-1 has no access to the account acc-2; it takes a credential for that account."
	asking(caller(accounts), needing("audit.read", "acc-2")) == denied("caller.account", message)
}

test_both_are_listed if {
	answered := asking(caller(["acc-1"]), needing("audit.export", "acc-2"))
	[reason.code | some reason in answered.reasons] == ["caller.permission", "caller.account"]
	answered.allow == false
}

test_question_that_is_none_is_denied[note] if {
	some note, question in {
		"empty": {},
		"no need": {"caller": caller("all")},
		"no caller": {"need": needing("audit.read", null)},
		"need of another kind": {"caller": caller("all"), "need": {"permission": ["audit.read"], "account": 7}},
		"permissions as one text": {"caller": {"id": "key:key-1", "permissions": "audit.read", "accounts": "all"}, "need": needing("audit.read", null)},
	}
	answered := api.decision with input as question
	answered.allow == false
	count(answered.reasons) > 0
}

test_account_is_not_left_out_by_forgetting_it if {
	answered := asking(caller("all"), {"permission": "audit.read"})
	answered == denied("caller.account", "The caller key:key-1 has no access to the account that was asked for; it takes a credential for that account.")
}
