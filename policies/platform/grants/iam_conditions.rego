# METADATA
# title: Conditions of an IAM statement
# description: |
#   A statement that allows takes every condition to hold for certain (`unmet` is undefined); one that denies stands unless a
#   condition certainly doesn't hold (`refuted`). So what can't be told never opens anything. Only tags of the directory grant.
package verdict.grants.iam.conditions

import data.verdict.conditions.address
import data.verdict.question

known := {"ip", "not_ip", "after", "after_ms", "before", "before_ms", "mfa", "tags", "regions"}

unmet(conditions) if not is_object(conditions)

unmet(conditions) if {
	some name, _ in conditions
	not name in known
}

unmet(conditions) if {
	conditions.ip
	not address.is_within(conditions.ip)
}

unmet(conditions) if {
	conditions.not_ip
	not address.is_outside(conditions.not_ip)
}

unmet(conditions) if {
	conditions.after
	not begun(conditions)
}

unmet(conditions) if {
	conditions.before
	not lasting(conditions)
}

unmet(conditions) if conditions.mfa != question.second_factor

unmet(conditions) if {
	conditions.tags
	not granted_by_tag(conditions)
}

unmet(conditions) if {
	conditions.regions
	not shares(conditions.regions, question.regions)
}

unmet(conditions) if {
	conditions.regions
	some region in question.regions
	not region in conditions.regions
}

refuted(conditions) if {
	conditions.ip
	address.is_outside(conditions.ip)
}

refuted(conditions) if address.is_within(conditions.not_ip)

refuted(conditions) if {
	is_number(conditions.after_ms)
	input.facts.now < conditions.after_ms
}

refuted(conditions) if {
	is_number(conditions.before_ms)
	input.facts.now >= conditions.before_ms
}

refuted(conditions) if {
	is_boolean(conditions.mfa)
	conditions.mfa != question.second_factor
}

refuted(conditions) if {
	conditions.tags
	not concerned_by_tag(conditions)
}

refuted(conditions) if {
	conditions.regions
	not shares(conditions.regions, question.regions)
}

shares(some_values, others) if {
	some value in some_values
	value in others
}

begun(conditions) if {
	is_number(conditions.after_ms)
	input.facts.now >= conditions.after_ms
}

lasting(conditions) if {
	is_number(conditions.before_ms)
	input.facts.now < conditions.before_ms
}

granted_by_tag(conditions) if shares(conditions.tags, input.facts.directory_tags)

concerned_by_tag(conditions) if shares(conditions.tags, input.facts.tags)
