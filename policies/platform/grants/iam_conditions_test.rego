# Each condition, as a statement that allows and as one that denies reads it: what can't be told opens nothing.
package verdict_test.grants.iam.conditions

import data.verdict.grants.iam.conditions
import data.verdict_test.asked

now := asked.now

yes := {"allows": true, "denies": true}

no := {"allows": false, "denies": false}

unknown := {"allows": false, "denies": true}

# name → [conditions, what is laid over the question, what then]
cases := {
	"no conditions": [{}, {}, yes],
	"no object": ["office", {}, unknown],
	"a name that is none": [{"weekday": "monday"}, {}, unknown],
	"ip within": [{"ip": ["192.0.2.0/24"]}, {"context": {"ip": "192.0.2.7"}}, yes],
	"ip outside": [{"ip": ["192.0.2.0/24"]}, {"context": {"ip": "198.51.100.1"}}, no],
	"ip not known": [{"ip": ["192.0.2.0/24"]}, {}, unknown],
	"not_ip outside": [{"not_ip": ["192.0.2.0/24"]}, {"context": {"ip": "198.51.100.1"}}, yes],
	"not_ip within": [{"not_ip": ["192.0.2.0/24"]}, {"context": {"ip": "192.0.2.7"}}, no],
	"not_ip not known": [{"not_ip": ["192.0.2.0/24"]}, {}, unknown],
	"after, one second before": [{"after": "…", "after_ms": now + 1000}, {}, no],
	"after, at the time": [{"after": "…", "after_ms": now}, {}, yes],
	"after, one second after": [{"after": "…", "after_ms": now - 1000}, {}, yes],
	"after that is no time": [{"after": "soon", "after_ms": null}, {}, unknown],
	"after without milliseconds": [{"after": "…"}, {}, unknown],
	"before, one second before": [{"before": "…", "before_ms": now + 1000}, {}, yes],
	"before, at the time": [{"before": "…", "before_ms": now}, {}, no],
	"before, one second after": [{"before": "…", "before_ms": now - 1000}, {}, no],
	"before that is no time": [{"before": "soon", "before_ms": null}, {}, unknown],
	"mfa with": [{"mfa": true}, {"context": {"mfa": true}}, yes],
	"mfa with a method": [{"mfa": true}, {"context": {"mfa": "totp"}}, yes],
	"mfa without": [{"mfa": true}, {"context": {"mfa": false}}, no],
	"mfa with no method": [{"mfa": true}, {"context": {"mfa": ""}}, no],
	"mfa that is no boolean": [{"mfa": "always"}, {"context": {"mfa": true}}, unknown],
	"mfa not said": [{"mfa": true}, {}, no],
	"tags that the directory knows": [{"tags": ["a", "b"]}, {"facts": {"tags": ["b"], "directory_tags": ["b"]}}, yes],
	"tags that the request claims": [{"tags": ["a"]}, {"facts": {"tags": ["a"]}}, unknown],
	"tags where there are none": [{"tags": ["a"]}, {}, no],
	"tags that are others": [{"tags": ["a"]}, {"facts": {"tags": ["b"], "directory_tags": ["b"]}}, no],
	"region of the resource": [{"regions": ["lagos-1"]}, {"facts": {"region": "lagos-1"}}, yes],
	"region that is another": [{"regions": ["lagos-1"]}, {"facts": {"region": "london-1"}}, no],
	"region that is not known": [{"regions": ["lagos-1"]}, {}, no],
	"region that data goes to": [{"regions": ["lagos-1"]}, {"facts": {"target_regions": ["lagos-1"]}}, yes],
	"region that data leaves": [{"regions": ["lagos-1"]}, {"facts": {"region": "lagos-1", "target_regions": ["london-1"]}}, unknown],
	"two conditions, one of which fails": [{"mfa": true, "ip": ["192.0.2.0/24"]}, {"context": {"ip": "192.0.2.7"}}, no],
}

test_condition_is_read_as_stated[note] if {
	some note, [stated, laid_over, expected] in cases
	question := object.union(asked.by("", "instance.start"), laid_over)
	read(question, stated) == expected
}

read(question, stated) := {"allows": allows, "denies": denies} if {
	allows := count([1 | conditions.unmet(stated) with input as question]) == 0
	denies := count([1 | conditions.refuted(stated) with input as question]) == 0
}

test_condition_decides_through_the_policy[note] if {
	some note, address in {"iam.allow": "192.0.2.7", "iam.none": "198.51.100.1"}
	statement := {"effect": "allow", "actions": ["*"], "resources": ["*"], "conditions": {"ip": ["192.0.2.0/24"]}}
	question := object.union(
		asked.of_account(asked.by("", "instance.start"), {"access_models": ["iam"]}),
		{"context": {"ip": address}, "directory": {"policies": [{"id": "acc-1:own", "name": "own", "statements": [statement]}]}},
	)
	asked.codes(asked.decided(question)) == [note]
}

test_condition_that_holds_denies_through_the_policy[note] if {
	some note, address in {"iam.deny": "198.51.100.1", "rbac.role": "192.0.2.7"}
	statement := {"effect": "deny", "actions": ["*"], "resources": ["*"], "conditions": {"not_ip": ["192.0.2.0/24"]}}
	question := object.union(
		asked.of_account(asked.by("owner", "instance.start"), {"access_models": ["roles", "iam"]}),
		{"context": {"ip": address}, "directory": {"policies": [{"id": "acc-1:own", "name": "own", "statements": [statement]}]}},
	)
	asked.codes(asked.decided(question)) == [note]
}
