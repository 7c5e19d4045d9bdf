# METADATA
# title: What grants
# description: |
#   An account chooses among three models (access_models): roles, acl and iam; one grant of one of them is enough,
#   and an answer rests on the first of them, in this order, that grants.
#   Two roles stand outside: root, for billing and break-glass, and auditor, for audit logs and reports.
package verdict.grants

import data.verdict.conditions.root
import data.verdict.grants.acl
import data.verdict.grants.auditor
import data.verdict.grants.iam
import data.verdict.grants.roles
import data.verdict.question

# What the answer rests on, if nothing denies.
given := [] if {
	not is_member
} else := root.given if {
	question.role == "root"
} else := auditor.given if {
	question.role == "auditor"
} else := roles.given if {
	count(roles.given) > 0
} else := [] if {
	roles.is_anothers
} else := acl.given if {
	count(acl.given) > 0
} else := iam.given

# What would have been needed, where nothing grants.
missing := [] if {
	count(given) > 0
} else := [unmember] if {
	not is_member
} else := root.missing if {
	question.role == "root"
} else := auditor.missing if {
	question.role == "auditor"
} else := [no_model] if {
	needed == []
} else := needed

needed := array.concat(roles.missing, array.concat(acl.missing, iam.missing))

# Explicit denies of IAM documents.
denies := iam.denies

# What goes with a grant alone.
default advice := []

advice := root.advice if question.role == "root"

is_member if {
	question.membership
	not has_ended
}

has_ended if {
	question.membership.ends
	not is_auditor
	not question.membership_runs
}

# Whose end is its own affair.
is_auditor if question.role == "auditor"

unmember := question.reason("rbac.no_membership", ["The ", question.who, " is no longer a member of this account: the membership has ended."]) if {
	has_ended
} else := question.reason("rbac.no_membership", ["The ", question.who, " is not a member of the account that this concerns."])

no_model := question.reason("rbac.role", ["This account uses no grant model that there is; its access_models take roles, acl or iam."])
