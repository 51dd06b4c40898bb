// What a process gives up before it reads what strangers send.
#pragma once
#include <cstdint>

#include "base/result.h"

namespace bessemer::real {

enum class Files : std::uint8_t {
  own,        // its files are its user's
  of_others,  // some are another user's, and it reaches them because it is root
};

// The calling thread, and every one that it starts later, keeps of root's capabilities only that to
// listen on a port below 1024 and, for files of others, those to reach them. A program that root
// runs has all of them again. Who has no capability loses none. Errors: internal.
Result<void> lay_down_privileges(Files files);

// The same for ever: no program that it runs can have more. Errors: internal.
Result<void> give_up_privileges(Files files);

}  // namespace bessemer::real
