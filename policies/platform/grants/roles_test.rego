package verdict_test.grants.roles

import data.verdict_test.asked

test_role_that_the_table_does_not_know_is_denied if {
	message := "The role captain may not do instance.list; it takes owner, admin, developer or viewer."
	asked.decided(asked.by("captain", "instance.list")) == asked.answer(false, "rbac.role", message)
}

test_membership_without_a_usable_role_is_denied[note] if {
	some note, role in {"none": null, "empty": "", "a list": ["owner"], "an object": {"owner": true}, "a number": 1}
	message := "The user usr-1 has no role in this account; billing.view takes owner or admin."
	asked.decided(asked.by(role, "billing.view")) == asked.answer(false, "rbac.role", message)
}

test_permission_that_the_table_lacks_is_denied if {
	message := "The role owner may not do instance.list; it takes none."
	asked.decided(asked.by("owner", "instance.list")) == asked.answer(false, "rbac.role", message) with data.roles.permissions as {}
}

test_own_login_is_ones_own if {
	own := object.union(asked.by("viewer", "two_factor.enable"), {"resource": {"type": "user", "id": "usr-1"}})
	asked.is_allowed(own)
	message := "The role viewer may do two_factor.enable for the user usr-1 alone, not for user/usr-2."
	other := object.union(own, {"resource": {"id": "usr-2"}})
	asked.decided(other) == asked.answer(false, "rbac.role", message)
}

test_another_model_leaves_roles_out if {
	asked.codes(asked.decided(asked.of_account(asked.by("owner", "instance.list"), {"access_models": ["iam"]}))) == ["iam.none"]
}
