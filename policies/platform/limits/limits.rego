# METADATA
# title: What a token may do
# description: |
#   A token never widens what its owner may: its scope, its services and its dates narrow it. Several valid tokens stand side by
#   side, so that one is rotated without downtime.
package verdict.limits

import data.verdict.calendar
import data.verdict.question

default denies := []

denies := [unknown] if {
	is_used
	not token
} else := [reason |
	some reasons in [owner, revoked, unreadable, expired, early, scope, service]
	some reason in reasons
] if {
	token
}

default advice := []

advice := [question.reason("token.rotate", words)] if {
	token
	age := input.facts.now - input.facts.times.token_created
	age > data.limits.rotate_after_days * 86400000
	words := [
		"The token ",
		input.directory.token.id,
		" is older than ",
		format_int(data.limits.rotate_after_days, 10),
		" days; make a new one, then revoke it.",
	]
}

is_used if input.subject.type == "token"

is_used if input.context.token

# The token's properties, if it belongs here.
token := properties if {
	properties := input.directory.token.properties
	is_object(properties)
	not is_elsewhere
}

is_elsewhere if {
	is_string(input.directory.token.account)
	input.directory.token.account != input.directory.account.id
}

unknown := question.reason("token.unknown", ["The directory knows no such token in this account; it takes one that stands there."])

default owner := []

owner := [question.reason("token.owner", ["The token ", input.directory.token.id, " is not the ", question.who, "'s; it takes one's own token."])] if {
	not is_own
}

is_own if {
	input.subject.type == "token"
	is_string(token.owner)
}

is_own if token.owner == input.subject.id

default revoked := []

revoked := [question.reason("token.revoked", ["The token ", input.directory.token.id, " is revoked; it takes a valid one."])] if {
	object.get(token, "revoked", false) != false
}

default unreadable := []

unreadable := [question.reason("token.invalid", words)] if {
	count(unread) > 0
	words := ["The token ", input.directory.token.id, " says what can't be read in ", question.either(unread), "; it is refused until that is mended."]
}

# What is there, and isn't what it must be.
unread := [property |
	some property in ["created", "expires", "not_before", "scope", "services"]
	is_unread(property)
]

is_unread("created") if {
	_ := token.created
	not is_time("token_created")
}

is_unread("expires") if {
	_ := token.expires
	not is_time("token_expires")
}

is_unread("not_before") if {
	_ := token.not_before
	not is_time("token_not_before")
}

is_unread("scope") if not covered

is_unread("services") if {
	services := token.services
	not is_array(services)
}

is_time(name) if is_number(input.facts.times[name])

default expired := []

expired := [question.reason("token.expired", words)] if {
	is_time("token_expires")
	not runs
	words := ["The token ", input.directory.token.id, " expired at ", calendar.date(input.facts.times.token_expires), "; it takes a valid one."]
}

runs if input.facts.now < input.facts.times.token_expires

has_begun if input.facts.now >= input.facts.times.token_not_before

default early := []

early := [question.reason("token.not_yet_valid", words)] if {
	is_time("token_not_before")
	not has_begun
	words := ["The token ", input.directory.token.id, " is valid only from ", calendar.date(input.facts.times.token_not_before), "."]
}

default scope := []

scope := [question.reason("token.scope", words)] if {
	covered
	not is_covered
	words := [
		"The token ",
		input.directory.token.id,
		"'s scope ",
		scope_name,
		" does not cover ",
		question.action,
		"; it takes at least the scope ",
		object.get(question.entry, "scope", "that its entry in the catalogue lacks"),
		".",
	]
}

is_covered if question.entry.scope in covered

# The scopes of actions that the token's scope covers.
covered := data.limits.scopes[scope_name]

scope_name := object.get(token, "scope", data.limits.default_scope)

default service := []

service := [question.reason("token.service", words)] if {
	token.services
	not is_served
	words := [
		"The token ",
		input.directory.token.id,
		" is restricted to other services; it takes the service ",
		object.get(question.entry, "service", "that its entry in the catalogue lacks"),
		" for ",
		question.action,
		".",
	]
}

is_served if question.entry.service in token.services
