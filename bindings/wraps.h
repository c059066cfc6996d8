// The objects JavaScript sees. Each holds a shared_ptr; dispose() lets go of it, idempotently, and every use
// after that throws ERR_DISPOSED. A program keeps its device and buffers alive.
#pragma once
#include <memory>
#include <set>
#include <vector>

#include "convert.h"

namespace bandlift_addon {

// Per environment (main thread or worker): constructors, and the program of each run that has not settled yet. Such
// runs use the memory of typed arrays, so they must end before the environment goes, disposed or not.
struct AddonState {
  Napi::FunctionReference device, buffer, program, communicator;
  std::multiset<std::shared_ptr<bandlift::Program>> running;
};

class BufferWrap : public Napi::ObjectWrap<BufferWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit BufferWrap(const Napi::CallbackInfo& info);
  // The buffer behind `value`, whatever JavaScript did to its prototype. Throws Error(shape) naming `name`.
  static std::shared_ptr<bandlift::Buffer> from(const Napi::Value& value, const std::string& name);
  std::shared_ptr<bandlift::Buffer> get() const;
  void hold(std::shared_ptr<bandlift::Buffer> buffer);
  void Finalize(Napi::BasicEnv env) override { let_go(env); }

 private:
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value write_async(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value read_async(const Napi::CallbackInfo& info);
  Napi::Value copy_async(const Napi::CallbackInfo& info, bool reads);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  void let_go(Napi::BasicEnv env);
  std::shared_ptr<bandlift::Buffer> buffer_;
};

class ProgramWrap : public Napi::ObjectWrap<ProgramWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ProgramWrap(const Napi::CallbackInfo& info);
  void hold(std::shared_ptr<bandlift::Program> program) { program_ = std::move(program); }

 private:
  std::shared_ptr<bandlift::Program> get() const;
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value abort(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);
  Napi::Value unrecorded(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  std::shared_ptr<bandlift::Program> program_;
};

class DeviceWrap : public Napi::ObjectWrap<DeviceWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit DeviceWrap(const Napi::CallbackInfo& info);
  void hold(std::shared_ptr<bandlift::Device> device) { device_ = std::move(device); }

 private:
  std::shared_ptr<bandlift::Device> get() const;
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value allocate(const Napi::CallbackInfo& info);
  Napi::Value workspace_bytes(const Napi::CallbackInfo& info);
  Napi::Value compile(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  std::shared_ptr<bandlift::Device> device_;
};

struct Connection;

class CommunicatorWrap : public Napi::ObjectWrap<CommunicatorWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CommunicatorWrap(const Napi::CallbackInfo& info);
  void hold(std::shared_ptr<Connection> connection) { connection_ = std::move(connection); }

 private:
  std::shared_ptr<Connection> get() const;
  Napi::Value rank(const Napi::CallbackInfo& info);
  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value name(const Napi::CallbackInfo& info);
  Napi::Value sum(const Napi::CallbackInfo& info);
  Napi::Value sum_in_order(const Napi::CallbackInfo& info);
  Napi::Value sum_of(const Napi::CallbackInfo& info, bool ordered);
  Napi::Value all_gather(const Napi::CallbackInfo& info);
  Napi::Value broadcast(const Napi::CallbackInfo& info);
  Napi::Value barrier(const Napi::CallbackInfo& info);
  Napi::Value finish(const Napi::CallbackInfo& info);
  std::shared_ptr<Connection> connection_;
};

// Opens the first of these MPI libraries that can be used, and initialises it: a promise of a NativeCommunicator.
Napi::Value open_mpi(const Napi::CallbackInfo& info);
// Which of these MPI libraries would be opened.
Napi::Value mpi_report(const Napi::CallbackInfo& info);
// Ends the process at once, whatever its threads wait for.
Napi::Value exit_now(const Napi::CallbackInfo& info);

}  // namespace bandlift_addon
