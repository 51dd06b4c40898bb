// What a process gives up for ever before it reads what strangers send.
#pragma once
#include <cstdint>

#include "base/result.h"

namespace bessemer::real {

enum class Files : std::uint8_t {
  own,        // its files are its user's
  of_others,  // they are another user's, and it reaches them because it is root
};

// The calling thread, and every one that it starts later, keeps of root's capabilities only that to
// listen on a port below 1024 and, for files of others, that to reach them; and no program that it
// runs can give it more. Who has no capability loses none. Errors: internal.
Result<void> give_up_privileges(Files files);

}  // namespace bessemer::real
