package verdict_test.conditions.address

import data.verdict_test.asked

from(address, networks) := object.union(
	asked.of_account(asked.by("owner", "instance.list"), {"ip_allowlist": networks}),
	{"context": {"ip": address}},
)

networks := ["203.0.113.0/24", "2001:db8::/32"]

test_address_of_the_list_is_allowed[address] if {
	some address in ["203.0.113.0", "203.0.113.255", "::ffff:203.0.113.7", "2001:db8::1"]
	asked.is_allowed(from(address, networks))
}

test_address_outside_the_list_is_denied[address] if {
	some address in ["203.0.112.255", "203.0.114.0", "2001:db9::1", "::1"]
	message := sprintf("The address %s is not in this account's ip_allowlist.", [address])
	asked.decided(from(address, networks)) == asked.answer(false, "ip.not_allowed", message)
}

test_address_that_is_none_is_denied[note] if {
	some note, address in {"a name": "localhost", "null": null, "empty": "", "a number": 7, "no IPv6": "2001:zz::1"}
	message := "This account takes requests from its ip_allowlist alone, and the address of this one (context.ip) is not known."
	asked.decided(from(address, networks)) == asked.answer(false, "ip.unknown", message)
}

test_address_that_is_not_told_is_denied if {
	asked.codes(asked.decided(asked.of_account(asked.by("owner", "instance.list"), {"ip_allowlist": networks}))) == ["ip.unknown"]
}

test_list_that_allows_nobody_or_can_not_be_read_allows_nobody[note] if {
	some note, list in {"empty": [], "a text": "203.0.113.0/24", "no network": ["office"], "null": null}
	asked.codes(asked.decided(from("203.0.113.7", list))) == ["ip.not_allowed"]
}

test_account_without_a_list_takes_every_address if {
	asked.is_allowed(asked.by("owner", "instance.list"))
}

test_network_is_no_address if {
	listed := asked.of_account(asked.by("owner", "instance.get"), {"ip_allowlist": ["10.0.0.0/8"]})
	asked.is_allowed(object.union(listed, {"context": {"ip": "10.1.2.3"}}))
	asked.codes(asked.decided(object.union(listed, {"context": {"ip": "10.1.2.0/24"}}))) == ["ip.unknown"]
}
