# METADATA
# title: How strictly each guardrail is kept
# description: An account's entity sets off, warn or deny by name; else the default of the data counts. What is none of these is deny.
package verdict.guardrails.levels

import data.verdict.question

# deny, warn or off; the name is one of data.guardrails.defaults.
of(name) := level if {
	level := question.account.guardrails[name]
} else := data.guardrails.defaults[name]

is_on(name) if not is_off(name)

is_off(name) if of(name) == "off"

denies(name) if not is_mild(name)

is_mild(name) if of(name) in ["off", "warn"]
