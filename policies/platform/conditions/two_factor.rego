# METADATA
# title: Two-factor authentication
# description: |
#   An account may require it (require_2fa.since). Who was there before has some days to enrol, and is told so; who joins later
#   enrols at once. What is needed to enrol is never held back by it. SMS is a backup: it doesn't enrol, and is never enough for
#   account settings. Services have no second factor.
package verdict.conditions.two_factor

import data.verdict.calendar
import data.verdict.question

default denies := []

denies := [reason |
	some reasons in [unenrolled, missing, backup]
	some reason in reasons
] if {
	concerns
}

default unenrolled := []

unenrolled := [question.reason("mfa.required", words)] if {
	is_required
	not is_enrolled
	not may_wait
	words := ["This account requires two-factor authentication of who joins, and the ", question.who, " has to enrol (", methods, ") first."]
} else := [question.reason("mfa.overdue", words)] if {
	is_required
	not is_enrolled
	not is_in_time
	words := [
		"This account requires two-factor authentication, and the ",
		question.who,
		"'s time to enrol (",
		methods,
		") ended at ",
		calendar.date(deadline),
		".",
	]
}

default missing := []

missing := [question.reason("mfa.missing", words)] if {
	is_required
	is_enrolled
	input.context.mfa == false
	words := ["This account requires two-factor authentication, and this login was made without; it takes a login with ", methods, "."]
}

default backup := []

backup := [question.reason("mfa.sms", words)] if {
	question.entry.scope in settings.backup_refused_for
	used_backup
	words := ["A second factor by SMS is a backup only; ", question.action, " takes a login with ", methods, "."]
}

default advice := []

advice := [object.union(question.reason("mfa.enrol", words), {"until": until})] if {
	concerns
	is_required
	not is_enrolled
	may_wait
	is_in_time
	until := calendar.date(deadline)
	words := ["This account requires two-factor authentication; the ", question.who, " is shut out unless enrolled (", methods, ") by ", until, "."]
}

settings := data.conditions.two_factor

methods := question.either(settings.methods)

concerns if {
	not question.entry.enrols
	object.get(question.membership, "subject_type", "user") == "user"
}

is_required if question.account.require_2fa

is_enrolled if {
	some method in enrolled
	method in settings.methods
}

enrolled := input.directory.subject.properties.two_factor.methods

# Those who were there before. When that can't be read, nobody may wait; a member without a date of joining was there.
may_wait if {
	since
	not question.membership.joined
}

may_wait if {
	is_number(input.facts.times.joined)
	input.facts.times.joined < since
}

since := ms if {
	ms := input.facts.times.required_since
	is_number(ms)
}

deadline := since + (settings.deadline_days * 86400000)

is_in_time if input.facts.now < deadline

# The login says so, or its person has nothing else.
used_backup if {
	is_string(input.context.mfa)
	not input.context.mfa in settings.methods
}

used_backup if {
	input.context.mfa == true
	enrolled
	not is_enrolled
}
