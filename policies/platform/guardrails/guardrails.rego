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

denies := array.concat(unreadable, [reason | some [name, reason] in findings; levels.denies(name)])

advice := array.concat(passphrase, [reason | some [name, reason] in findings; levels.of(name) == "warn"])

findings := [finding |
	some found in [firewall.findings, ssh_key.findings, residency.findings, user_data.findings, duties.findings]
	some finding in found
]

default unreadable := []

unreadable := firewall.unreadable if {
	some name in ["firewall.all_ports", "firewall.database_port", "firewall.ssh", "firewall.egress"]
	levels.is_on(name)
}

default passphrase := []

passphrase := ssh_key.advice if levels.is_on("ssh_key")
