// The records of a usage log as columns: how a sealed stretch keeps them.
//
// pack   = u8 version 1, varint count of records, kinds, then for each kind its columns
// kinds  = the column of the records' places in LogRecord
// column = u8 0 + the first value + the difference that all others have from the one before them;
//          u8 1 + each value's difference from the one before (from 0, the first one's);
//          u8 2 + 10 bytes each, little-endian: the random bits of request ids
//          The shortest is taken. Numbers are 128 bits, zigzag, then 7 bits a byte, lowest first.
// Holds are columns of numbers, one for each field in the order of DESCRIBE; a request id is its
// milliseconds and its random bits. The rarer records (leases, terms, openings, closes) are texts
// of the codec, each behind its length as a number.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "governance/metering/usage_log.h"

namespace bessemer::metering {

constexpr std::size_t max_packed_records = 131'072;  // of one stretch

// Requires: at most max_packed_records.
std::string pack_columns(const std::vector<LogRecord>& records);
// Exactly what was packed. Errors: invalid (cut short, a newer version, counts out of range).
Result<std::vector<LogRecord>> unpack_columns(std::string_view packed);

}  // namespace bessemer::metering
