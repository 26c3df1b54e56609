// Nothing but Embedded Swift's runtime functions (reference counts and the like), which the compiler emits into every module as weak
// symbols, compiled with the module's own machine flags. SwiftPM links modules in alphabetical order and the linker keeps the first copy of
// a weak symbol: this module's, for any x86-64, and never one of a level that the CPU may lack. Tests/check_symbols.py holds it to that.
