//! Compiles `src/shim.cc` against the very RocksDB sources that `librocksdb-sys` was built from.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=src/shim.cc");
    let sources = env::var("DEP_ROCKSDB_CARGO_MANIFEST_DIR").expect("`librocksdb-sys` tells where its sources lie");
    let sources = Path::new(&sources).join("rocksdb");
    // The definitions have to be those of librocksdb-sys's own build: they change the layout of classes.
    cc::Build::new()
        .cpp(true)
        .flag("-std=c++20")
        .flag("-fno-rtti")
        .flag("-include")
        .flag("cstdint")
        .warnings(false)
        .include(&sources)
        .include(sources.join("include"))
        .define("NDEBUG", "1")
        .define("LZ4", "1")
        .define("HAVE_ALIGNED_NEW", None)
        .define("HAVE_UINT128_EXTENSION", None)
        .define("OS_LINUX", None)
        .define("ROCKSDB_PLATFORM_POSIX", None)
        .define("ROCKSDB_LIB_IO_POSIX", None)
        .define("ROCKSDB_SCHED_GETCPU_PRESENT", None)
        .define("ROCKSDB_AUXV_GETAUXVAL_PRESENT", None)
        .define("ROCKSDB_FALLOCATE_PRESENT", None)
        .define("ROCKSDB_RANGESYNC_PRESENT", None)
        .file("src/shim.cc")
        .compile("tephra_faultfs_shim");
}
