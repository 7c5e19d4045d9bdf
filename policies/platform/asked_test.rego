# Questions for the tests, as Verdict asks them: a base, and what is laid over it.
package verdict_test.asked

import data.verdict

# 2026-11-22T04:03:48Z
now := 1795320228000

day := 86400000

entity(type, id, properties) := {"type": type, "id": id, "account": "acc-1", "properties": properties, "version": 3}

# A member of acc-1 with a role asks to do something with inst-1.
by(role, action) := {
	"subject": {"type": "user", "id": "usr-1", "properties": {}},
	"action": {"name": action},
	"resource": {"type": "instance", "id": "inst-1", "properties": {}},
	"context": {},
	"directory": {
		"account": entity("account", "acc-1", {}),
		"membership": entity("membership", "acc-1:usr-1", {"role": role}),
		"token": null,
		"subject": {"type": "user", "id": "usr-1", "properties": {}, "version": 1},
		"resource": null,
		"acl": [],
		"policies": [],
	},
	"facts": {"now": now},
}

# With settings of the account laid over it.
of_account(question, settings) := object.union(question, {"directory": {"account": {"properties": settings}}})

of_member(question, properties) := object.union(question, {"directory": {"membership": {"properties": properties}}})

with_facts(question, facts) := object.union(question, {"facts": facts})

answer(allow, code, message) := {"allow": allow, "reasons": [{"code": code, "message": message}], "advice": []}

# The codes of an answer, in their order.
codes(answered) := [reason.code | some reason in answered.reasons]

advised(answered) := [advice.code | some advice in answered.advice]

# What the policy answers.
decided(question) := answered if {
	answered := verdict.decision with input as question
}

is_allowed(question) if decided(question).allow
