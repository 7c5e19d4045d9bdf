# METADATA
# title: SSH public keys
# description: The key's kind and bits as its wire format says them (facts.ssh_key); short RSA, DSA and unknown kinds are rejected.
package verdict.guardrails.ssh_key

import data.verdict.question

default findings := []

findings := [["ssh_key", question.reason("ssh_key.rejected", ["The SSH key is rejected: ", why, " It takes ", accepted, "."])]] if {
	input.facts.ssh_key
	not is_accepted
}

default advice := []

advice := [question.reason("ssh_key.no_passphrase", ["The private key has no passphrase: whoever copies the file can log in; it takes one."])] if {
	is_unprotected
}

is_unprotected if input.facts.ssh_key.passphrase == false

is_unprotected if input.resource.properties.passphrase == false

is_unprotected if input.action.properties.passphrase == false

is_unprotected if input.context.passphrase == false

is_accepted if {
	input.facts.ssh_key.valid
	input.facts.ssh_key.kind in data.guardrails.ssh_key.welcome
}

is_accepted if {
	input.facts.ssh_key.valid
	input.facts.ssh_key.bits >= minimum
}

minimum := data.guardrails.ssh_key.bits[input.facts.ssh_key.kind]

why := concat("", [input.facts.ssh_key.type, " has ", format_int(input.facts.ssh_key.bits, 10), " bits."]) if {
	minimum
} else := concat("", [input.facts.ssh_key.type, " is a kind that is not accepted."]) if {
	input.facts.ssh_key.valid
} else := input.facts.ssh_key.message if {
	input.facts.ssh_key.message
} else := "it can't be read."

accepted := concat("", [
	"Ed25519, RSA of ",
	format_int(data.guardrails.ssh_key.bits.rsa, 10),
	" bits or more, or ECDSA of ",
	format_int(data.guardrails.ssh_key.bits.ecdsa, 10),
	" bits or more",
])
