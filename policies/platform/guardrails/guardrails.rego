# METADATA
# title: Guardrails
# description: |
#   What is unwise even for those who may. An account keeps each at off, warn or deny; at warn it brings advice of the same code.
package verdict.guardrails

import data.verdict.guardrails.duties
import data.verdict.guardrails.firewall
import data.verdict.guardrails.levels
import data.verdict.guardrails.residency
import data.verdict.guardrails.ssh_key
import data.verdict.guardrails.user_data
import data.verdict.question

denies := array.concat(unreadable, [reason | some [name, reason] in findings; levels.denies(name)])

advice := array.concat(passphrase, [reason | some [name, reason] in findings; levels.of(name) == "warn"])

findings := [finding |
	some found in [opening, residency.findings, duties.findings]
	some finding in found
]

default opening := []

opening := [finding |
	some found in [firewall.findings, ssh_key.findings, user_data.findings]
	some finding in found
] if {
	opens
}

# Looking and taking away open nothing.
opens if {
	question.entry.access == "write"
	not question.entry.verb in data.guardrails.taking_away
}

default unreadable := []

unreadable := firewall.unreadable if {
	opens
	some name in ["firewall.all_ports", "firewall.database_port", "firewall.ssh", "firewall.egress"]
	levels.is_on(name)
}

default passphrase := []

passphrase := ssh_key.advice if {
	opens
	levels.is_on("ssh_key")
}
