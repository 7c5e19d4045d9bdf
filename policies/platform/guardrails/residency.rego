# METADATA
# title: Residency
# description: Where an account names its regions, nothing is created, copied or replicated outside them.
package verdict.guardrails.residency

import data.verdict.question

default findings := []

findings := [["residency", question.reason("residency.region", words)]] if {
	question.entry.places
	outside := [region | some region in targets; not region in regions]
	outside != []
	words := [question.action, " would put data into ", question.either(outside), "; this account's data stays in ", question.either(regions), "."]
} else := [["residency", question.reason("residency.region", words)]] if {
	question.entry.places
	regions
	targets == []
	words := [question.action, " does not say into which region it puts data; this account's data stays in ", question.either(regions), "."]
}

# Undefined where the account names none: anywhere. What is no list of names is a list of none.
regions := [region | some region in given; is_string(region)] if {
	given := question.account.regions
	is_array(given)
} else := [] if {
	_ := question.account.regions
}

# Without a target it is where the resource is.
targets := input.facts.target_regions if {
	count(input.facts.target_regions) > 0
} else := question.regions
