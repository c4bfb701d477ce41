// SPDX-License-Identifier: MIT
//
// Days are counted in a year that begins on the first of March, so that the leap day comes last and
// a month's first day is a linear formula; 400 such years repeat exactly.
#include "date.h"

#include "chars.h"

static const char day_names[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

enum {
    DAY_SECONDS = 86400,
    ERA_DAYS = 146097,      // 400 years
    EPOCH_OFFSET = 719468,  // days from 1 March 0 to 1 January 1970
};

static const int64_t YEAR_0 = -62167219200;     // 0000-01-01T00:00:00
static const int64_t YEAR_9999 = 253402300799;  // 9999-12-31T23:59:59

struct civil {
    int year, month, day;  // month 1..12
    int hour, minute, second;
};

static int64_t civil_to_seconds(const struct civil *c)
{
    int64_t year = c->month > 2 ? c->year : c->year - 1;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = c->month > 2 ? c->month - 3 : c->month + 9;
    int64_t day_of_year = (153 * month + 2) / 5 + c->day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    int64_t days = era * ERA_DAYS + day_of_era - EPOCH_OFFSET;

    return days * DAY_SECONDS + c->hour * 3600 + c->minute * 60 + c->second;
}

// `days` since 1970. Only called for years 0..9999.
static void civil_from_days(struct civil *c, int64_t days)
{
    days += EPOCH_OFFSET;

    int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t day_of_era = days - era * ERA_DAYS;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    c->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    c->month = (int)(month < 10 ? month + 3 : month - 9);
    c->year = (int)(year_of_era + era * 400) + (c->month <= 2);
}

static void put_two(char *out, int value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
}

void http_date_format(char out[HTTP_DATE_SIZE], int64_t seconds)
{
    static const char pattern[HTTP_DATE_SIZE + 1] = "Ddd, 00 Mmm 0000 00:00:00 GMT";
    struct civil c;

    if (seconds < YEAR_0) seconds = YEAR_0;
    if (seconds > YEAR_9999) seconds = YEAR_9999;

    int64_t days = seconds / DAY_SECONDS;
    int rest = (int)(seconds % DAY_SECONDS);

    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    civil_from_days(&c, days);

    int64_t weekday = (days + 4) % 7;  // 1970 began on a Thursday

    memcpy(out, pattern, HTTP_DATE_SIZE);
    memcpy(out, day_names[weekday < 0 ? weekday + 7 : weekday], 3);
    put_two(out + 5, c.day);
    memcpy(out + 8, month_names + (size_t)(c.month - 1) * 3, 3);
    put_two(out + 12, c.year / 100);
    put_two(out + 14, c.year % 100);
    put_two(out + 17, rest / 3600);
    put_two(out + 20, rest / 60 % 60);
    put_two(out + 23, rest % 60);
}

// Matches `text` against a pattern in which 0 stands for a digit, _ for a digit or a space, @ for
// any character (of a month's name), and everything else for itself.
static bool shape_matches(struct http_slice text, const char *pattern)
{
    if (text.size != strlen(pattern)) return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];

        switch (pattern[i]) {
        case '0':
            if (!http_is_digit(c)) return false;
            break;
        case '_':
            if (!http_is_digit(c) && c != ' ') return false;
            break;
        case '@':
            break;
        default:
            if (c != pattern[i]) return false;
        }
    }
    return true;
}

static int two_digits(const char *at)
{
    return (at[0] == ' ' ? 0 : at[0] - '0') * 10 + (at[1] - '0');
}

static int month_find(const char *at)
{
    for (int i = 0; i < 12; i++) {
        if (memcmp(at, month_names + (size_t)i * 3, 3) == 0) return i + 1;
    }
    return 0;
}

static void time_read(struct civil *c, const char *at)
{
    c->hour = two_digits(at);
    c->minute = two_digits(at + 3);
    c->second = two_digits(at + 6);
}

static int month_days(const struct civil *c)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);

    return c->month == 2 && is_leap ? 29 : days[c->month - 1];
}

static bool civil_is_valid(const struct civil *c)
{
    if (c->month == 0 || c->day < 1 || c->day > month_days(c)) return false;
    return c->hour < 24 && c->minute < 60 && c->second <= 60;  // 60: a leap second
}

// "06 Nov 1994 08:49:37 GMT"
static bool fixdate_read(struct http_slice text, struct civil *c)
{
    if (!shape_matches(text, "00 @@@ 0000 00:00:00 GMT")) return false;
    c->day = two_digits(text.data);
    c->month = month_find(text.data + 3);
    c->year = two_digits(text.data + 7) * 100 + two_digits(text.data + 9);
    time_read(c, text.data + 12);
    return true;
}

// "06-Nov-94 08:49:37 GMT"
static bool rfc850_read(struct http_slice text, int64_t now_s, struct civil *c)
{
    struct civil now;

    if (!shape_matches(text, "00-@@@-00 00:00:00 GMT")) return false;
    civil_from_days(&now, now_s / DAY_SECONDS);
    c->day = two_digits(text.data);
    c->month = month_find(text.data + 3);
    c->year = now.year / 100 * 100 + two_digits(text.data + 7);
    if (c->year > now.year + 50) c->year -= 100;
    if (c->year <= now.year - 50) c->year += 100;
    time_read(c, text.data + 10);
    return true;
}

// "Nov  6 08:49:37 1994"
static bool asctime_read(struct http_slice text, struct civil *c)
{
    if (!shape_matches(text, "@@@ _0 00:00:00 0000")) return false;
    c->month = month_find(text.data);
    c->day = two_digits(text.data + 4);
    time_read(c, text.data + 7);
    c->year = two_digits(text.data + 16) * 100 + two_digits(text.data + 18);
    return true;
}

// Cuts the name of a day off the front: its size, or 0 if there is none.
static size_t day_name_size(struct http_slice text, bool is_long)
{
    for (size_t i = 0; i < 7; i++) {
        size_t size = is_long ? strlen(day_names[i]) : 3;

        if (text.size > size && memcmp(text.data, day_names[i], size) == 0) return size;
    }
    return 0;
}

static bool starts_with(struct http_slice text, const char *prefix)
{
    size_t size = strlen(prefix);

    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static struct http_slice slice_from(struct http_slice text, size_t at)
{
    return (struct http_slice){text.data + at, text.size - at};
}

static bool civil_read(struct http_slice text, int64_t now_s, struct civil *c)
{
    size_t long_size = day_name_size(text, true);
    size_t short_size = day_name_size(text, false);

    if (long_size > 0 && starts_with(slice_from(text, long_size), ", ")) {
        return rfc850_read(slice_from(text, long_size + 2), now_s, c);
    }
    if (short_size == 0) return false;
    text = slice_from(text, short_size);
    if (starts_with(text, ", ")) return fixdate_read(slice_from(text, 2), c);
    if (starts_with(text, " ")) return asctime_read(slice_from(text, 1), c);
    return false;
}

bool http_date_parse(struct http_slice text, int64_t now_s, int64_t *seconds)
{
    struct civil c;

    if (!civil_read(text, now_s, &c) || !civil_is_valid(&c)) return false;
    *seconds = civil_to_seconds(&c);
    return true;
}

void http_clock_set(struct http_clock *clock, int64_t now_s)
{
    if (clock->now_s == now_s && clock->text[0] != '\0') return;
    clock->now_s = now_s;
    http_date_format(clock->text, now_s);
}
