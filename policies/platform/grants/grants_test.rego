package verdict_test.grants

import data.verdict_test.asked

test_who_is_no_member_is_denied[note] if {
	some note, membership in {"null": null, "a list": [], "a string": "owner"}
	message := "The user usr-1 is not a member of the account that this concerns."
	question := object.union(asked.by("owner", "instance.list"), {"directory": {"membership": membership}})
	asked.decided(question) == asked.answer(false, "rbac.no_membership", message)
}

test_question_without_a_usable_subject_is_denied if {
	question := object.union(
		object.remove(asked.by("owner", "instance.list"), ["subject"]),
		{"subject": {"type": "user", "id": 7}, "directory": {"membership": null, "subject": null}},
	)
	message := "The subject is not a member of the account that this concerns."
	asked.decided(question) == asked.answer(false, "rbac.no_membership", message)
}

ending(ms) := asked.with_facts(
	asked.of_member(asked.by("owner", "instance.list"), {"ends": "2026-11-22T04:03:48Z"}),
	{"times": {"membership_ends": ms}},
)

test_membership_counts_until_it_ends if {
	asked.is_allowed(ending(asked.now + 1000))
	message := "The user usr-1 is no longer a member of this account: the membership has ended."
	asked.decided(ending(asked.now)) == asked.answer(false, "rbac.no_membership", message)
	not asked.is_allowed(ending(asked.now - 1000))
	not asked.is_allowed(ending(null))
}

test_membership_without_a_role_ends_too if {
	question := object.remove(ending(asked.now), [])
	roleless := json.remove(question, ["directory/membership/properties/role"])
	asked.codes(asked.decided(roleless)) == ["rbac.no_membership"]
}

test_account_without_a_known_model_grants_nothing[note] if {
	some note, models in {"none": [], "unknown": ["magic"], "no list": "roles"}
	message := "This account uses no grant model that there is; its access_models take roles, acl or iam."
	asked.decided(asked.of_account(asked.by("owner", "instance.list"), {"access_models": models})) == asked.answer(false, "rbac.role", message)
}

test_answer_rests_on_the_first_model_that_grants[code] if {
	entry := asked.entity("acl", "acc-1:all", {"grantee": "user/usr-1", "target": {"module": "*"}, "access": "read-only"})
	some code, [role, action, entries] in {
		"rbac.role": ["viewer", "instance.list", [entry]],
		"acl.module": ["viewer", "token.list", [entry]],
		"iam.allow": ["viewer", "token.list", []],
	}
	member := asked.of_member(asked.by(role, action), {"policies": ["ReadOnlyAccess"]})
	question := asked.of_account(object.union(member, {"directory": {"acl": entries}}), {"access_models": ["iam", "acl", "roles"]})
	asked.codes(asked.decided(question)) == [code]
	asked.is_allowed(question)
}

test_one_grant_of_several_models_is_enough_and_each_that_lacks_is_named if {
	models := {"access_models": ["roles", "acl", "iam"]}
	asked.codes(asked.decided(asked.of_account(asked.by("viewer", "instance.list"), models))) == ["rbac.role"]
	lacking := asked.decided(asked.of_account(asked.by("viewer", "instance.create"), models))
	asked.codes(lacking) == ["rbac.role", "acl.none", "iam.none"]
	lacking.allow == false
}
