// Hands RocksDB's own FaultInjectionTestFS to the `rocksdb` crate, which takes a foreign Env through `Env::from_raw`.
//
// Around it lies a thin file system of ours that fails the n-th sync of a write-ahead log and leaves the bytes
// unsynced: FaultInjectionTestFS can only fail everything at once.

#include <atomic>
#include <memory>
#include <string>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "util/random.h"
#include "utilities/fault_injection_fs.h"

using namespace ROCKSDB_NAMESPACE;

// The layout of librocksdb's c.cc.
struct rocksdb_env_t {
  Env* rep;
  bool is_default;
};

namespace {

struct SyncFault {
  std::atomic<int64_t> countdown{0};  // 0: no fault; n: the n-th sync from now fails
  std::atomic<uint64_t> syncs{0};
  std::atomic<uint64_t> failed{0};

  bool Fails() {
    syncs++;
    int64_t left = countdown.load();
    while (left > 0 && !countdown.compare_exchange_weak(left, left - 1)) {
    }
    if (left != 1) return false;
    failed++;
    return true;
  }
};

class SyncFaultFile : public FSWritableFileOwnerWrapper {
 public:
  SyncFaultFile(std::unique_ptr<FSWritableFile>&& file, std::shared_ptr<SyncFault> fault)
      : FSWritableFileOwnerWrapper(std::move(file)), fault_(std::move(fault)) {}

  IOStatus Sync(const IOOptions& options, IODebugContext* dbg) override {
    if (fault_->Fails()) return IOStatus::IOError("injected: EIO on sync");
    return FSWritableFileOwnerWrapper::Sync(options, dbg);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* dbg) override {
    if (fault_->Fails()) return IOStatus::IOError("injected: EIO on sync");
    return FSWritableFileOwnerWrapper::Fsync(options, dbg);
  }

 private:
  std::shared_ptr<SyncFault> fault_;
};

class SyncFaultFs : public FileSystemWrapper {
 public:
  SyncFaultFs(std::shared_ptr<FileSystem> base, std::shared_ptr<SyncFault> fault)
      : FileSystemWrapper(std::move(base)), fault_(std::move(fault)) {}
  const char* Name() const override { return "TephraSyncFaultFs"; }

  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* result, IODebugContext* dbg) override {
    return Wrapped(name, FileSystemWrapper::NewWritableFile(name, options, result, dbg), result);
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options,
                              std::unique_ptr<FSWritableFile>* result, IODebugContext* dbg) override {
    return Wrapped(name, FileSystemWrapper::ReopenWritableFile(name, options, result, dbg), result);
  }
  IOStatus ReuseWritableFile(const std::string& name, const std::string& old_name, const FileOptions& options,
                             std::unique_ptr<FSWritableFile>* result, IODebugContext* dbg) override {
    return Wrapped(name, FileSystemWrapper::ReuseWritableFile(name, old_name, options, result, dbg), result);
  }

 private:
  IOStatus Wrapped(const std::string& name, IOStatus status, std::unique_ptr<FSWritableFile>* result) {
    const std::string suffix = ".log";
    bool is_wal = name.size() > suffix.size() && name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
    if (status.ok() && is_wal) result->reset(new SyncFaultFile(std::move(*result), fault_));
    return status;
  }

  std::shared_ptr<SyncFault> fault_;
};

}  // namespace

struct TephraFaultFs {
  std::shared_ptr<FaultInjectionTestFS> fs;
  std::shared_ptr<SyncFault> sync;
};

extern "C" {

TephraFaultFs* tephra_faultfs_new(rocksdb_env_t** env) {
  auto* handle = new TephraFaultFs;
  handle->fs = std::make_shared<FaultInjectionTestFS>(FileSystem::Default());
  handle->fs->SetFilesystemDirectWritable(false);
  // Without this nothing is ever lost, and a store that never syncs would pass.
  handle->fs->SetInjectUnsyncedDataLoss(true);
  handle->sync = std::make_shared<SyncFault>();
  auto* wrapped = new rocksdb_env_t;
  wrapped->rep = NewCompositeEnv(std::make_shared<SyncFaultFs>(handle->fs, handle->sync)).release();
  wrapped->is_default = false;
  *env = wrapped;
  return handle;
}

void tephra_faultfs_free(TephraFaultFs* handle) { delete handle; }

// 0: works; 1: every operation fails as without power; 2: every write fails as on a full disk.
void tephra_faultfs_set(TephraFaultFs* handle, int state) {
  switch (state) {
    case 0:
      handle->fs->SetFilesystemActive(true);
      break;
    case 1:
      handle->fs->SetFilesystemActive(false, IOStatus::IOError("injected: power cut"));
      break;
    default:
      handle->fs->SetFilesystemActive(false, IOStatus::NoSpace("injected: ENOSPC"));
  }
}

// Drops what was not synced: all of it (`torn` 0) or a random part of it, then the files whose name was not synced.
int tephra_faultfs_lose(TephraFaultFs* handle, int torn, uint32_t seed) {
  Random random(seed);
  IOStatus dropped = torn ? handle->fs->DropRandomUnsyncedFileData(&random) : handle->fs->DropUnsyncedFileData();
  IOStatus deleted = handle->fs->DeleteFilesCreatedAfterLastDirSync(IOOptions(), nullptr);
  handle->fs->ResetState();
  return dropped.ok() && deleted.ok() ? 0 : 1;
}

void tephra_faultfs_fail_sync(TephraFaultFs* handle, int64_t nth) { handle->sync->countdown = nth; }
uint64_t tephra_faultfs_syncs(TephraFaultFs* handle) { return handle->sync->syncs; }
uint64_t tephra_faultfs_failed_syncs(TephraFaultFs* handle) { return handle->sync->failed; }

}  // extern "C"
