// A copy of a journal, taken beside its living owner.
#pragma once
#include <functional>
#include <string>

#include "journal/file_journal.h"

namespace bessemer::journal {

// Takes one file of the copy: a name as it stands in a journal's directory, and its bytes.
using TakeSegment = std::function<Result<void>(const std::string& name, std::string_view bytes)>;

// Walks a journal from its first segment to the last whole batch, checking every one: each is shown
// to `visit`, and each segment is given to `take` without its zeros, all but the last compressed.
// What was read is on the disk when it returns. The copy opens as a journal at the head returned.
// Errors: not_found (no journal there), those of Cursor::next and of the two functions.
Result<Head> copy_journal(world::Disk& disk, std::string_view directory, const Replay& visit,
                          const TakeSegment& take);

}  // namespace bessemer::journal
