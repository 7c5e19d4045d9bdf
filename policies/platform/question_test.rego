package verdict_test.question

import data.verdict.question
import data.verdict_test.asked

test_person_is_the_directorys_or_the_requests if {
	asked_by_token := object.union(asked.by("owner", "instance.list"), {"subject": {"type": "token", "id": "tok-1"}})
	question.person == "usr-1" with input as asked_by_token
	question.person == "usr-2" with input as {"subject": {"type": "user", "id": "usr-2"}, "directory": {"subject": null}}
}

test_resource_without_a_type_or_id_is_still_spoken_of if {
	question.resource == "the resource" with input as {"resource": {"type": "instance"}}
}

test_either_lists_as_people_do if {
	question.either([]) == "none"
	question.either(["a"]) == "a"
	question.either(["a", "b"]) == "a or b"
	question.either(["a", "b", "c"]) == "a, b or c"
}

test_regions_are_the_resources_and_the_targets if {
	question.regions == [] with input as {}
	question.regions == ["a"] with input as {"facts": {"region": "a"}}
	question.regions == ["b", "c"] with input as {"facts": {"target_regions": ["b", "c"]}}
	question.regions == ["a", "b"] with input as {"facts": {"region": "a", "target_regions": ["b"]}}
}
