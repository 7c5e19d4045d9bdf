package verdict_test.grants.auditor

import data.verdict_test.asked

until(action, ms) := asked.with_facts(
	asked.of_member(asked.by("auditor", action), {"ends": "2026-12-31T00:00:00Z"}),
	{"times": {"membership_ends": ms}},
)

test_auditor_reads_audit_logs_and_reports[action] if {
	some action in [
		"audit_log.list",
		"audit_log.get",
		"audit_log.verify",
		"audit_log.export",
		"report.list",
		"report.get",
		"report.download",
	]
	asked.decided(until(action, asked.now + 1000)) == asked.answer(true, "rbac.role", sprintf("The role auditor may do %s.", [action]))
}

test_auditor_does_nothing_else[action] if {
	some action in [
		"instance.list",
		"instance.create",
		"billing.view",
		"token.list",
		"export.list",
		"report.create",
		"audit_log.configure_syslog",
		"access_review.list",
		"account.get",
		"change.request",
	]
	asked.codes(asked.decided(until(action, asked.now + 1000))) == ["auditor.scope"]
}

test_auditor_may_enrol_for_itself_only if {
	own := object.union(until("two_factor.enable", asked.now + 1000), {"resource": {"type": "user", "id": "usr-1"}})
	asked.is_allowed(own)
	not asked.is_allowed(object.union(own, {"resource": {"id": "usr-2"}}))
	not asked.is_allowed(until("two_factor.disable", asked.now + 1000))
}

test_auditors_grant_ends if {
	message := "The user usr-1's grant as an auditor has ended; it takes a later end."
	asked.is_allowed(until("audit_log.list", asked.now + 1000))
	asked.decided(until("audit_log.list", asked.now)) == asked.answer(false, "auditor.ended", message)
	asked.decided(until("audit_log.list", asked.now - 1000)) == asked.answer(false, "auditor.ended", message)
	asked.decided(until("audit_log.list", null)) == asked.answer(false, "auditor.ended", message)
	asked.codes(asked.decided(until("instance.list", asked.now))) == ["auditor.ended", "auditor.scope"]
}

test_auditor_without_an_end_is_denied if {
	message := "The role auditor takes a membership with an end (ends), and the user usr-1's has none."
	asked.decided(asked.by("auditor", "audit_log.list")) == asked.answer(false, "auditor.ended", message)
}

test_no_other_grant_widens_the_auditors if {
	entry := asked.entity("acl", "acc-1:all", {"grantee": "user/usr-1", "target": {"module": "*"}, "access": "read-write"})
	question := object.union(until("instance.list", asked.now + 1000), {"directory": {"acl": [entry]}})
	asked.codes(asked.decided(asked.of_account(question, {"access_models": ["acl"]}))) == ["auditor.scope"]
}
