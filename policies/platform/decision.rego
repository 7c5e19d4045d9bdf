# METADATA
# title: Verdict's decision
# description: |
#   Puts the answer together: what denies overrides what grants, and no grant means deny. All that denies is listed,
#   and an allow lists the grants that it rests on.
package verdict

import data.verdict.conditions
import data.verdict.grants
import data.verdict.guardrails
import data.verdict.limits
import data.verdict.question

# METADATA
# title: May this subject do this action on this resource?
# entrypoint: true
decision := refusal("action.unknown", ["The action ", question.action, " is not in the catalogue of actions."]) if {
	not question.entry
} else := refusal("account.unknown", ["The directory does not know the account that this concerns; it must stand there with its settings."]) if {
	not question.account
} else := {"allow": true, "reasons": grants.given, "advice": array.concat(advice, grants.advice)} if {
	count(grants.given) > 0
	count(denies) == 0
} else := {"allow": false, "reasons": array.concat(grants.missing, denies), "advice": advice}

refusal(code, words) := {"allow": false, "reasons": [question.reason(code, words)], "advice": []}

denies := array.concat(grants.denies, array.concat(limits.denies, array.concat(conditions.denies, guardrails.denies)))

advice := array.concat(limits.advice, array.concat(conditions.advice, guardrails.advice))
