// The v2 device filter, assembled by hand: a handful of eBPF instructions.
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include "compute/executor/supervisor/cgroup.h"

namespace bessemer::executor {
namespace {

bpf_insn load_word(std::uint8_t into, std::int16_t offset) {
  bpf_insn out{};
  out.code = BPF_LDX | BPF_MEM | BPF_W;
  out.dst_reg = into & 15u;
  out.src_reg = BPF_REG_1;  // the context
  out.off = offset;
  return out;
}

bpf_insn with_number(int code, std::uint8_t reg, std::int32_t number, std::int16_t skip = 0) {
  bpf_insn out{};
  out.code = static_cast<std::uint8_t>(code);
  out.dst_reg = reg & 15u;
  out.off = skip;
  out.imm = number;
  return out;
}

// r2 = type, r4 = major, r5 = minor; answers 1 for a device of the list, else 0.
std::vector<bpf_insn> assemble(const std::vector<CharDevice>& devices) {
  constexpr int move = BPF_ALU64 | BPF_MOV | BPF_K, differs = BPF_JMP | BPF_JNE | BPF_K;
  const bpf_insn exit = with_number(BPF_JMP | BPF_EXIT, 0, 0);
  std::vector<bpf_insn> code = {
      load_word(BPF_REG_2, 0), load_word(BPF_REG_4, 4), load_word(BPF_REG_5, 8),
      with_number(BPF_ALU | BPF_AND | BPF_K, BPF_REG_2, 0xffff),
      with_number(move, BPF_REG_0, 0),
      with_number(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_2, BPF_DEVCG_DEV_CHAR, 1), exit};
  for (const auto& device : devices) {
    const bool any = device.minor < 0;
    code.push_back(with_number(differs, BPF_REG_4, static_cast<std::int32_t>(device.major),
                               any ? 2 : 3));
    if (!any) {
      code.push_back(with_number(differs, BPF_REG_5, static_cast<std::int32_t>(device.minor), 2));
    }
    code.push_back(with_number(move, BPF_REG_0, 1));
    code.push_back(exit);
  }
  code.push_back(exit);
  return code;
}

int bpf(int command, bpf_attr& attributes) {
  return static_cast<int>(::syscall(__NR_bpf, command, &attributes, sizeof attributes));
}

}  // namespace

Result<void> attach_device_filter(int cgroup, const std::vector<CharDevice>& devices) {
  const std::vector<bpf_insn> code = assemble(devices);
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = reinterpret_cast<std::uintptr_t>(code.data());
  load.insn_cnt = static_cast<std::uint32_t>(code.size());
  load.license = reinterpret_cast<std::uintptr_t>("Apache-2.0");
  const Fd program(bpf(BPF_PROG_LOAD, load));
  if (!program) return os_error("loading the device filter");
  bpf_attr attach{};
  attach.target_fd = static_cast<std::uint32_t>(cgroup);
  attach.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (bpf(BPF_PROG_ATTACH, attach) != 0) return os_error("attaching the device filter");
  return {};
}

}  // namespace bessemer::executor
