package verdict_test.guardrails.firewall

import data.verdict_test.asked

rule := {"index": 0, "direction": "inbound", "allow": true, "protocol": "tcp", "from": 443, "to": 443, "anywhere": true}

with_rules(rules) := asked.with_facts(asked.by("owner", "firewall.update"), {"firewall": {"rules": rules, "unreadable": []}})

ports(from, to) := object.union(rule, {"from": from, "to": to})

codes(rules) := asked.codes(asked.decided(with_rules(rules)))

denied(code, message) := asked.answer(false, code, message)

# The ports that databases listen on, stated independently of data.guardrails.
database_ports := {
	1433: "Microsoft SQL Server",
	1521: "Oracle",
	3050: "Firebird",
	3306: "MySQL and MariaDB",
	5432: "PostgreSQL",
	5984: "CouchDB",
	6379: "Redis",
	7000: "Cassandra",
	7687: "Neo4j",
	8086: "InfluxDB",
	8123: "ClickHouse over HTTP",
	9000: "ClickHouse",
	9042: "Cassandra's query language",
	9200: "Elasticsearch",
	9300: "Elasticsearch between its nodes",
	11211: "Memcached",
	26257: "CockroachDB",
	27017: "MongoDB",
	27018: "MongoDB's shards",
	27019: "MongoDB's configuration servers",
	28015: "RethinkDB",
	50000: "Db2",
}

test_database_port_from_anywhere_is_denied[note] if {
	some port, whose in database_ports
	note := sprintf("%d", [port])
	message := sprintf(
		"Rule 1 opens the database port %d (%s) to anywhere; it takes the addresses or the private network that need the database.",
		[port, whose],
	)
	asked.decided(with_rules([ports(port, port)])) == denied("firewall.database_port", message)
}

test_no_other_port_is_a_databases if {
	{to_number(port) | some port, _ in data.guardrails.database_ports} == object.keys(database_ports)
}

test_range_with_database_ports_is_denied if {
	message := "Rule 1 opens database ports to anywhere; it takes the addresses or the private network that need the database."
	asked.decided(with_rules([ports(27000, 28000)])) == denied("firewall.database_port", message)
}

test_ssh_from_anywhere_is_denied[note] if {
	some note, [from, to] in {"alone": [22, 22], "at a range's end": [20, 22], "at a range's start": [22, 80]}
	message := "Rule 1 opens SSH to anywhere; it takes the addresses that administer, or a VPN."
	asked.decided(with_rules([ports(from, to)])) == denied("firewall.ssh", message)
}

test_all_ports_from_anywhere_are_denied[note] if {
	some note, opened in {"from 1": ports(1, 65535), "from 0": ports(0, 65535), "no ports named": object.remove(rule, ["from", "to"])}
	answered := asked.decided(with_rules([opened]))
	asked.codes(answered) == ["firewall.all_ports", "firewall.database_port", "firewall.ssh"]
	answered.reasons[0].message == "Rule 1 opens all ports to anywhere; it takes the ports that are served, or the addresses that need them."
}

test_all_ports_but_one_are_not_all[note] if {
	some note, opened in {"from 2": ports(2, 65535), "to 65534": ports(1, 65534)}
	codes([opened]) == ["firewall.database_port", "firewall.ssh"]
}

test_rule_that_opens_nothing_dangerous_is_allowed[note] if {
	some note, harmless in {
		"a web server's port": rule,
		"ports beside SSH": ports(23, 80),
		"ports below SSH": ports(1, 21),
		"SSH from some addresses": object.union(ports(22, 22), {"anywhere": false}),
		"a rule that denies": object.union(ports(1, 65535), {"allow": false}),
		"without ports": object.union(ports(0, 0), {"protocol": "icmp"}),
	}
	answered := asked.decided(with_rules([harmless]))
	answered.allow
	answered.advice == []
}

outbound := object.union(ports(1, 65535), {"direction": "outbound", "index": 4})

test_everything_let_out_is_warned_of if {
	answered := asked.decided(with_rules([outbound]))
	answered.allow
	answered.advice == [{
		"code": "firewall.egress",
		"message": "Rule 5 lets everything out to anywhere; it takes the ports and addresses that are needed.",
	}]
	asked.advised(asked.decided(with_rules([object.union(outbound, {"from": 22, "to": 5432})]))) == []
}

test_each_rule_is_told_by_its_number if {
	answered := asked.decided(with_rules([rule, object.union(ports(22, 22), {"index": 1}), object.union(ports(5432, 5432), {"index": 2})]))
	[substring(reason.message, 0, 7) | some reason in answered.reasons] == ["Rule 2 ", "Rule 3 "]
}

unreadable := asked.with_facts(
	asked.by("owner", "firewall.update"),
	{"firewall": {"rules": [], "unreadable": [{"index": 1, "message": "Its direction is neither inbound nor outbound."}, {}]}},
)

test_rule_that_can_not_be_read_is_denied if {
	asked.decided(unreadable).reasons == [
		{"code": "firewall.unreadable", "message": "Rule 2 can't be read: Its direction is neither inbound nor outbound."},
		{"code": "firewall.unreadable", "message": "Rule 1 can't be read: it is no rule."},
	]
}

test_rule_that_can_not_be_read_is_allowed_only_where_no_guardrail_looks if {
	levels := {"firewall.all_ports": "off", "firewall.database_port": "off", "firewall.ssh": "off", "firewall.egress": "off"}
	asked.is_allowed(asked.of_account(unreadable, {"guardrails": levels}))
	not asked.is_allowed(asked.of_account(unreadable, {"guardrails": object.union(levels, {"firewall.egress": "warn"})}))
}
