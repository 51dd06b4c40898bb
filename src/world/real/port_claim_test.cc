// A port that several sockets share belongs to one owner.
#include "world/real/port_claim.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bessemer::real {
namespace {

// A port that nobody listens on.
Address free_port() {
  Address address{.host = "127.0.0.1"};
  const auto socket = listen_on(address).value();
  address.port = port_of(socket).value();
  return address;
}

TEST(PortClaim, is_exclusive_and_ends_with_its_holder) {
  const auto address = free_port();
  {
    const auto claim = claim_port(address);
    ASSERT_TRUE(claim) << to_text(claim.error());
    const auto second = claim_port(address);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::conflict);
    EXPECT_EQ(second.error().what, to_text(address) + " is in use by another program or factory");
    EXPECT_FALSE(second.error().remedy.empty());
    // The owner's own sockets share the port.
    const auto one = listen_on(address, {.share_port = true});
    const auto other = listen_on(address, {.share_port = true});
    EXPECT_TRUE(one && other);
    EXPECT_TRUE(claim_port(free_port())) << "another port is another claim";
  }
  EXPECT_TRUE(claim_port(address));
}

TEST(PortClaim, finds_a_listener_that_knows_nothing_of_claims) {
  const auto address = free_port();
  const auto shared = listen_on(address, {.share_port = true});
  ASSERT_TRUE(shared);
  const auto claim = claim_port(address);
  ASSERT_FALSE(claim);
  EXPECT_EQ(claim.error().code, Code::conflict);
  EXPECT_TRUE(claim_port(address, Listeners::ours)) << "they are known to be ours";
}

TEST(PortClaim, lives_as_long_as_a_process_that_inherited_it) {
  const auto address = free_port();
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  pid_t child = 0;
  {
    const auto claim = claim_port(address);
    ASSERT_TRUE(claim);
    child = ::fork();
    if (child == 0) {
      ::close(pipe[1]);
      char none = 0;
      [[maybe_unused]] const auto ended = ::read(pipe[0], &none, 1);
      ::_exit(0);
    }
  }
  EXPECT_FALSE(claim_port(address));
  ::close(pipe[1]);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(claim_port(address));
}

}  // namespace
}  // namespace bessemer::real
