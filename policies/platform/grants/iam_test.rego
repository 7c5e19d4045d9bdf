package verdict_test.grants.iam

import data.verdict_test.asked

# A member without a role asks, in an account whose one model is iam.
by_documents(action, documents) := object.union(
	asked.of_account(asked.by("", action), {"access_models": ["iam"]}),
	{"directory": {"policies": documents}},
)

by_managed(action, names) := asked.of_member(by_documents(action, []), {"policies": names})

statement(effect, resources) := {"sid": "One", "effect": effect, "actions": ["instance.*"], "resources": resources}

document(statements) := {"id": "acc-1:own", "name": "own", "statements": statements}

codes(question) := asked.codes(asked.decided(question))

test_statement_allows_what_it_names if {
	message := "The IAM document own allows instance.start on instance/inst-1 (statement One)."
	question := by_documents("instance.start", [document([statement("allow", ["drive/*", "instance/*"])])])
	asked.decided(question) == asked.answer(true, "iam.allow", message)
}

test_statement_without_a_sid_is_told_by_its_document if {
	message := "The IAM document own allows instance.start on instance/inst-1."
	question := by_documents("instance.start", [document([object.remove(statement("allow", ["*"]), ["sid"])])])
	asked.decided(question) == asked.answer(true, "iam.allow", message)
}

test_no_statement_means_deny if {
	words := "No IAM document of the user usr-1 allows instance.start on instance/inst-1; it takes a statement that does, with conditions that hold."
	asked.decided(by_documents("instance.start", [])) == asked.answer(false, "iam.none", words)
	codes(by_documents("instance.start", [document([statement("allow", ["drive/*"])])])) == ["iam.none"]
	codes(object.remove(by_documents("instance.start", []), ["facts"])) == ["iam.none"]
}

test_explicit_deny_wins if {
	message := "The IAM document own denies instance.start on instance/inst-1 (statement One); an explicit deny wins."
	question := by_documents("instance.start", [document([statement("allow", ["*"]), statement("deny", ["instance/inst-1"])])])
	asked.decided(question) == asked.answer(false, "iam.deny", message)
}

test_deny_only_adds_denies[note] if {
	some note, [role, action] in {"owner": ["owner", "instance.delete"], "viewer": ["viewer", "instance.list"]}
	question := asked.of_account(asked.by(role, action), {"access_models": ["roles", "iam"]})
	asked.is_allowed(question)
	asked.codes(asked.decided(object.union(question, {"directory": {"policies": [document([statement("deny", ["*"])])]}}))) == ["iam.deny"]
}

test_effect_that_is_none_does_nothing if {
	codes(by_documents("instance.start", [document([statement("Allow", ["*"])])])) == ["iam.none"]
}

test_documents_count_only_where_the_account_uses_them if {
	question := asked.of_account(by_managed("instance.list", ["ReadOnlyAccess"]), {"access_models": ["roles"]})
	codes(question) == ["rbac.role"]
	not asked.is_allowed(question)
}

test_managed_policy_is_found_by_its_name[name] if {
	some name in ["ReadOnlyAccess", "CloudNxReadOnlyAccess"]
	message := sprintf("The IAM document %s allows instance.list on instance/inst-1 (statement Read).", [name])
	asked.decided(by_managed("instance.list", [name])) == asked.answer(true, "iam.allow", message)
}

test_name_that_is_no_managed_policys_grants_nothing[name] if {
	some name in ["ReadOnlyAccessToo", "readonlyaccess", "", "Access"]
	codes(by_managed("instance.list", [name])) == ["iam.none"]
}

test_own_document_stands_instead_of_a_managed_one_of_its_name if {
	own := {"id": "acc-1:MyReadOnlyAccess", "name": "MyReadOnlyAccess", "statements": []}
	question := object.union(by_managed("instance.list", ["MyReadOnlyAccess"]), {"directory": {"policies": [own]}})
	codes(question) == ["iam.none"]
}
