# METADATA
# title: Firewall rules
# description: What a rule of a firewall, security group or network ACL (facts.firewall) may not open to or from anywhere.
package verdict.guardrails.firewall

import data.verdict.question

# Each as [the guardrail's name, the reason], rule by rule.
findings := [finding |
	some rule in input.facts.firewall.rules
	rule.allow
	rule.anywhere
	some found in [all_ports(rule), database_port(rule), ssh(rule), egress(rule)]
	some finding in found
]

# Rules that can't be read are refused unless no guardrail looks at them.
unreadable := [question.reason("firewall.unreadable", words) |
	some rule in input.facts.firewall.unreadable
	words := ["Rule ", number(rule), " can't be read: ", object.get(rule, "message", "it is no rule.")]
]

all_ports(rule) := [["firewall.all_ports", question.reason("firewall.all_ports", words)]] if {
	rule.direction == "inbound"
	opens_all(rule)
	words := ["Rule ", number(rule), " opens all ports to anywhere; it takes the ports that are served, or the addresses that need them."]
} else := []

database_port(rule) := [["firewall.database_port", question.reason("firewall.database_port", words)]] if {
	rule.direction == "inbound"
	opened := [concat("", [port, " (", whose, ")"]) |
		some port, whose in data.guardrails.database_ports
		to_number(port) >= from(rule)
		to_number(port) <= to(rule)
	]
	opened != []
	words := [
		"Rule ",
		number(rule),
		" opens ",
		named(opened),
		" to anywhere; it takes the addresses or the private network that need the database.",
	]
} else := []

ssh(rule) := [["firewall.ssh", question.reason("firewall.ssh", words)]] if {
	rule.direction == "inbound"
	from(rule) <= data.guardrails.ssh_port
	to(rule) >= data.guardrails.ssh_port
	words := ["Rule ", number(rule), " opens SSH to anywhere; it takes the addresses that administer, or a VPN."]
} else := []

egress(rule) := [["firewall.egress", question.reason("firewall.egress", words)]] if {
	rule.direction == "outbound"
	opens_all(rule)
	words := ["Rule ", number(rule), " lets everything out to anywhere; it takes the ports and addresses that are needed."]
} else := []

opens_all(rule) if {
	from(rule) <= data.guardrails.all_ports.from
	to(rule) >= data.guardrails.all_ports.to
}

# A rule that names no ports is for all of them.
from(rule) := object.get(rule, "from", 0)

to(rule) := object.get(rule, "to", 65535)

# As people count.
number(rule) := format_int(object.get(rule, "index", 0) + 1, 10)

named(ports) := concat(" ", ["the database port", ports[0]]) if {
	count(ports) == 1
} else := "database ports"
