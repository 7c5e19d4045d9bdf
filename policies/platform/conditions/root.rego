# METADATA
# title: The root user
# description: |
#   Root is for billing and for breaking glass. The grant rests on the membership's role; the ticket, which only a trusted caller
#   can bring (context.break_glass), lifts what holds root back, and the answer's advice makes it an event of its own.
package verdict.conditions.root

import data.verdict.question

default given := []

given := [question.reason("root.billing", ["The role root may do ", question.action, ": it is for ", question.either(data.conditions.root.modules), "."])] if {
	is_in_scope
} else := [question.reason("root.break_glass", ["The role root may do ", question.action, " under the ticket ", ticket, ": it breaks glass."])] if {
	ticket
}

missing := [question.reason("root.billing_only", words)] if {
	words := [
		"The role root is for ",
		question.either(data.conditions.root.modules),
		" and may not do ",
		question.action,
		"; it takes a ticket in context.break_glass.",
	]
}

default advice := []

advice := [object.union(
	question.reason("root.break_glass", ["Root broke glass under the ticket ", ticket, "; the account's owners should know of it."]),
	{"ticket": ticket, "alert": "access.break_glass"},
)] if {
	ticket
	not is_in_scope
}

is_in_scope if question.entry.module in data.conditions.root.modules

ticket := given_ticket if {
	given_ticket := input.context.break_glass.ticket
	is_string(given_ticket)
	trim_space(given_ticket) != ""
}
