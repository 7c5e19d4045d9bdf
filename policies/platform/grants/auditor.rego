# METADATA
# title: The third-party auditor's grant
# description: Reading audit logs and reports, up to an end. The role table names the permissions, whatever the account's grant models.
package verdict.grants.auditor

import data.verdict.grants.roles
import data.verdict.question

default given := []

given := [question.reason("rbac.role", ["The role auditor may do ", question.action, "."])] if {
	question.membership_runs
	is_in_scope
}

missing := [reason |
	some reasons in [ended, scope]
	some reason in reasons
]

default ended := []

ended := [question.reason("auditor.ended", words)] if {
	not question.membership.ends
	words := ["The role auditor takes a membership with an end (ends), and the ", question.who, "'s has none."]
}

ended := [question.reason("auditor.ended", ["The ", question.who, "'s grant as an auditor has ended; it takes a later end."])] if {
	question.membership.ends
	not question.membership_runs
}

default scope := []

scope := [question.reason("auditor.scope", words)] if {
	not is_in_scope
	words := ["The role auditor may not do ", question.action, "; it reads audit logs and reports, and does nothing else."]
}

# Also an auditor may have to enrol in two-factor authentication.
is_in_scope if {
	"auditor" in roles.allowed
	question.entry.access == "read"
	not roles.is_anothers
}

is_in_scope if {
	"auditor" in roles.allowed
	question.entry.enrols
	not roles.is_anothers
}
