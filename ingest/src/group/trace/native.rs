//! Calls of native programs and of Dart: as Apple's systems, gdb and sanitizers, Android, glibc, Swift and Dart print them.

use super::line::{split, without_position};
use crate::group::frame::{Frame, Style};

/// A line of any of them.
pub(super) fn frame(line: &str) -> Option<Frame<'_>> {
    match line.as_bytes().first()? {
        b'#' => numbered(line),
        b'0'..=b'9' => apple(line),
        _ => glibc(line),
    }
}

/// `#0  …`: Dart, Android, gdb, sanitizers.
fn numbered(line: &str) -> Option<Frame<'_>> {
    let (index, rest) = line[1..].split_once(' ')?;
    if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    if let Some(rest) = rest.strip_prefix("pc ") {
        return android(rest);
    }
    dart(rest).or_else(|| gdb(rest))
}

/// `Cart.pay.<anonymous closure> (package:shop/cart.dart:12:5)`
fn dart(rest: &str) -> Option<Frame<'_>> {
    let (function, place) = rest.strip_suffix(')')?.rsplit_once(" (")?;
    let file = without_position(place).unwrap_or(place);
    let fits = file.ends_with(".dart") || file.starts_with("dart:");
    fits.then_some(Frame { style: Style::Dart, function, file, ..Frame::default() })
}

/// `000000000004f2a8  /system/lib64/libc.so (abort+164) (BuildId: 5f2a…)`
fn android(rest: &str) -> Option<Frame<'_>> {
    let (_, rest) = rest.split_once(' ')?;
    let (library, rest) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
    let function = rest.strip_prefix('(').filter(|rest| !rest.starts_with("BuildId")).map_or("", |rest| {
        let name = rest.split(") (").next().unwrap_or(rest);
        let name = name.strip_suffix(')').unwrap_or(name);
        name.rsplit_once('+').map_or(name, |(name, _)| name)
    });
    Some(native(function, library))
}

/// `0x00007f in pay (cart=0x1) at cart.c:12`, `0x4f in shop::pay(int) /src/cart.cc:12:3`, `pay (x=1) at cart.c:12`
fn gdb(rest: &str) -> Option<Frame<'_>> {
    let called = rest.strip_prefix("0x").and_then(|rest| split(rest, " in ")).map(|(_, called)| called);
    let (call, place) = match called {
        Some(called) => split(called, ") at ").or_else(|| called.rsplit_once(' ')).unwrap_or((called, "")),
        None => split(rest, ") at ").filter(|(call, _)| split(call, " (").is_some())?,
    };
    let function = match call.split_once(" (") {
        Some((function, _)) if !function.is_empty() => function,
        _ => call,
    };
    // A library in place of a file: `(/lib/x86_64-linux-gnu/libc.so.6+0x29d8f)`.
    let library = place.strip_prefix('(').map(|place| place.split(['+', ')']).next().unwrap_or(place));
    let file = without_position(place).filter(|_| library.is_none()).unwrap_or_default();
    Some(Frame { file, ..native(function, library.unwrap_or_default()) })
}

/// `3   Shop   0x0000000104c3a1f8 -[Cart pay:] + 120`, `2 [ra] 0x55d4 main.pay(_:) + 120 in shop at /src/main.swift:12:5`
fn apple(line: &str) -> Option<Frame<'_>> {
    let (index, rest) = line.split_once(' ')?;
    let (image, rest) = split(rest, "0x")?;
    let (address, call) = rest.split_once(' ')?;
    let hex = !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !index.bytes().all(|byte| byte.is_ascii_digit()) || !hex {
        return None;
    }
    let (function, rest) = split(call, " + ")?;
    let file = split(rest, " at ").and_then(|(_, place)| without_position(place)).unwrap_or_default();
    let image = image.trim();
    let library = if image.starts_with('[') { "" } else { image };
    Some(Frame { file, ..native(function, library) })
}

/// `./shop(pay+0x1d) [0x40105e]`
fn glibc(line: &str) -> Option<Frame<'_>> {
    let (call, address) = line.strip_suffix(']')?.rsplit_once(" [0x")?;
    let (library, function) = call.strip_suffix(')')?.rsplit_once('(')?;
    let hex = address.bytes().all(|byte| byte.is_ascii_hexdigit());
    let function = function.rsplit_once('+').map_or(function, |(function, _)| function);
    (hex && !library.contains(' ')).then(|| native(function, library))
}

/// What SDKs send has the library's name where others have a module's.
fn native<'a>(function: &'a str, library: &'a str) -> Frame<'a> {
    let module = library.rsplit(['/', '\\']).next().unwrap_or(library);
    Frame { style: Style::Native, function, module, ..Frame::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prints_in_its_way() {
        let check = |line: &str, function: &str, module: &str, file: &str| {
            let found = frame(line).map(|frame| (frame.function, frame.module, frame.file));
            assert_eq!(found, Some((function, module, file)), "{line}");
        };
        check("#0      Cart.pay (package:shop/cart.dart:12:5)", "Cart.pay", "", "package:shop/cart.dart");
        check("#1      _rootRun (dart:async/zone.dart:1399:13)", "_rootRun", "", "dart:async/zone.dart");
        check(
            "#2      main.<anonymous closure> (file:///src/main.dart:3)",
            "main.<anonymous closure>",
            "",
            "file:///src/main.dart",
        );
        check("#00 pc 000000000004f2a8  /system/lib64/libc.so (abort+164) (BuildId: 5f2a)", "abort", "libc.so", "");
        check(
            "#01 pc 0004f2a8  /data/app/x/lib/arm64/libshop.so (shop::pay(int)+12)",
            "shop::pay(int)",
            "libshop.so",
            "",
        );
        check("#02 pc 0004f2a8  /data/app/x/libshop.so (BuildId: 5f2a)", "", "libshop.so", "");
        check("#0  0x00007f12 in pay (cart=0x1, s=\"a: b\") at src/cart.c:12", "pay", "", "src/cart.c");
        check("#1  pay (x=1) at cart.c:12", "pay", "", "cart.c");
        check("#1 0x4f2a8b in shop::pay(int) /src/cart.cc:12:3", "shop::pay(int)", "", "/src/cart.cc");
        check(
            "#2 0x7f1a in __libc_start_main (/lib/x86_64-linux-gnu/libc.so.6+0x29d8f)",
            "__libc_start_main",
            "libc.so.6",
            "",
        );
        check("3   Shop    0x0000000104c3a1f8 -[Cart pay:] + 120", "-[Cart pay:]", "Shop", "");
        check("4   libsystem_kernel.dylib 0x18f __pthread_kill + 8", "__pthread_kill", "libsystem_kernel.dylib", "");
        check("2 [ra] 0x55d4 pay(_:) + 120 in shop at /src/main.swift:12:5", "pay(_:)", "", "/src/main.swift");
        check("./shop(pay+0x1d) [0x40105e]", "pay", "shop", "");
        check("/lib/libc.so.6(+0x29d8f) [0x7f12]", "", "libc.so.6", "");
        for line in [
            "#0 /srv/x.php(12): A->f('a')",
            "#1 {main}",
            "0: shop::pay",
            "[0x12]",
            "at 3 0x12",
            "# comment",
            "7 apples",
        ] {
            assert_eq!(frame(line).map(|frame| frame.function), None, "{line}");
        }
    }
}
