package verdict_test.guardrails.ssh_key

import data.verdict_test.asked

with_key(key) := asked.with_facts(asked.by("owner", "ssh_key.create"), {"ssh_key": key})

valid(type, kind, bits) := {"valid": true, "type": type, "kind": kind, "bits": bits}

rejected(why) := asked.answer(false, "ssh_key.rejected", sprintf(
	"The SSH key is rejected: %s It takes Ed25519, RSA of 2048 bits or more, or ECDSA of 256 bits or more.",
	[why],
))

test_good_key_is_accepted[note] if {
	some note, key in {
		"RSA of 2048 bits": valid("ssh-rsa", "rsa", 2048),
		"RSA of 4096 bits": valid("ssh-rsa", "rsa", 4096),
		"ECDSA of 256 bits": valid("ecdsa-sha2-nistp256", "ecdsa", 256),
		"ECDSA of 521 bits": valid("ecdsa-sha2-nistp521", "ecdsa", 521),
		"Ed25519": valid("ssh-ed25519", "ed25519", 256),
		"Ed25519 on a security key": valid("sk-ssh-ed25519@openssh.com", "sk-ed25519", 256),
		"ECDSA on a security key": valid("sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa", 256),
	}
	answered := asked.decided(with_key(key))
	answered.allow
	answered.advice == []
}

test_weak_key_is_rejected[note] if {
	some note, [key, why] in {
		"RSA of 2047 bits": [valid("ssh-rsa", "rsa", 2047), "ssh-rsa has 2047 bits."],
		"ECDSA of 255 bits": [valid("ecdsa-sha2-odd", "ecdsa", 255), "ecdsa-sha2-odd has 255 bits."],
		"ECDSA of 255 bits on a security key": [valid("sk-odd", "sk-ecdsa", 255), "sk-odd has 255 bits."],
		"DSA": [valid("ssh-dss", "dsa", 4096), "ssh-dss is a kind that is not accepted."],
		"another kind": [valid("ssh-ed448", "ed448", 448), "ssh-ed448 is a kind that is not accepted."],
		"no key": [{"valid": false, "message": "It has no third field."}, "It has no third field."],
		"no key and no word why": [{"valid": false}, "it can't be read."],
		"not valid, whatever else it says": [object.union(valid("ssh-rsa", "rsa", 4096), {"valid": false}), "ssh-rsa has 4096 bits."],
	}
	asked.decided(with_key(key)) == rejected(why)
}

test_kinds_are_these if {
	object.keys(data.guardrails.ssh_key.bits) == {"rsa", "ecdsa", "sk-ecdsa"}
	{kind | some kind in data.guardrails.ssh_key.welcome} == {"ed25519", "sk-ed25519"}
}

test_key_without_a_passphrase_is_warned_of[note] if {
	some note, said in {
		"by the facts": {"facts": {"ssh_key": {"passphrase": false}}},
		"by the resource": {"resource": {"properties": {"passphrase": false}}},
		"by the action": {"action": {"properties": {"passphrase": false}}},
		"by the context": {"context": {"passphrase": false}},
	}
	answered := asked.decided(object.union(with_key(valid("ssh-ed25519", "ed25519", 256)), said))
	answered.allow
	answered.advice == [{
		"code": "ssh_key.no_passphrase",
		"message": "The private key has no passphrase: whoever copies the file can log in; it takes one.",
	}]
}

test_guardrail_that_is_off_warns_of_nothing if {
	question := object.union(with_key(valid("ssh-dss", "dsa", 1024)), {"context": {"passphrase": false}})
	answered := asked.decided(asked.of_account(question, {"guardrails": {"ssh_key": "off"}}))
	answered.allow
	answered.advice == []
}
