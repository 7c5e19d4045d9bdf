# METADATA
# title: Dates for people
# description: WASM has no time functions; times come as milliseconds since 1970, and stand in sentences as RFC 3339.
package verdict.calendar

# "2026-11-29T04:03:48Z". Years start in March here, so that a leap day is a year's last.
date(ms) := concat("", [
	padded(year, 4),
	"-",
	padded(month(march_month), 2),
	"-",
	padded((day_of_year - month_start(march_month)) + 1, 2),
	"T",
	padded(floor(second / 3600), 2),
	":",
	padded(floor(second / 60) % 60, 2),
	":",
	padded(second % 60, 2),
	"Z",
]) if {
	seconds := floor(ms / 1000)
	day := floor(seconds / 86400)
	second := seconds - (day * 86400)
	era := floor((day + 719468) / 146097)
	day_of_era := (day + 719468) - (era * 146097)
	year_of_era := floor((((day_of_era - floor(day_of_era / 1460)) + floor(day_of_era / 36524)) - floor(day_of_era / 146096)) / 365)
	day_of_year := day_of_era - (((year_of_era * 365) + floor(year_of_era / 4)) - floor(year_of_era / 100))
	march_month := floor(((day_of_year * 5) + 2) / 153)
	year := ((era * 400) + year_of_era) + floor(march_month / 10)
}

month_start(march_month) := floor(((march_month * 153) + 2) / 5)

month(march_month) := ((march_month + 2) % 12) + 1

padded(number, width) := substring(digits, count(digits) - width, width) if {
	digits := concat("", ["0000", format_int(number, 10)])
}
