# METADATA
# title: The address that a request comes from
# description: An account may list the networks (CIDR) that its requests may come from. An address that can't be told comes from none.
package verdict.conditions.address

import data.verdict.question

default denies := []

denies := [] if {
	is_within(question.account.ip_allowlist)
} else := [unknown] if {
	question.account.ip_allowlist
	not ip
} else := [refused] if {
	question.account.ip_allowlist
}

unknown := question.reason("ip.unknown", ["This account takes requests from its ip_allowlist alone, and the address of this one (context.ip) is not known."])

refused := question.reason("ip.not_allowed", ["The address ", ip, " is not in this account's ip_allowlist."])

# Undefined where there is none, or what stands there is no address.
ip := address if {
	address := client
	net.cidr_contains(network(address), address)
}

# An IPv4 address that came over IPv6 is itself. A network is no address.
client := trim_prefix(input.context.ip, "::ffff:") if {
	not contains(input.context.ip, "/")
}

# Every address of its family.
network(address) := "::/0" if {
	contains(address, ":")
} else := "0.0.0.0/0"

is_within(networks) if {
	some network in networks
	net.cidr_contains(network, client)
}

is_outside(networks) if {
	ip
	not is_within(networks)
}
