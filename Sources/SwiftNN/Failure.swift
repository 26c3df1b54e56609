// How an operation fails: a status, and a message in the calling thread's buffer. Nothing here allocates.
import CSwiftNN

public struct Failure: Error {
    public let status: snn_status
}

/// Writes the calling thread's message piece by piece: throw Message("conv: input has ").shape(x).text("...").shapeError
struct Message {
    init(_ text: StaticString) {
        snn_thread_state_get().pointee.message_length = 0
        append(text)
    }

    private func append(byte: UInt8) {
        let state = snn_thread_state_get().unsafelyUnwrapped
        let length = Int(state.pointee.message_length)
        guard length < Int(SNN_MAX_MESSAGE) - 1, let buffer = snn_message(state) else { return }
        buffer[length] = CChar(bitPattern: byte)
        buffer[length + 1] = 0
        state.pointee.message_length = Int64(length + 1)
    }

    private func append(_ text: StaticString) {
        for i in 0..<text.utf8CodeUnitCount { append(byte: text.utf8Start[i]) }
    }

    private func append(_ value: Int) {
        if value < 0 { append(byte: 45) }
        var divisor: UInt = 1
        let magnitude = value.magnitude
        while magnitude / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(byte: UInt8(48 + (magnitude / divisor) % 10))
            divisor /= 10
        }
    }

    func text(_ text: StaticString) -> Message {
        append(text)
        return self
    }
    /// Text from outside, at most 40 bytes of it.
    func outside(_ text: UnsafePointer<CChar>) -> Message {
        var i = 0
        while i < 40 && text[i] != 0 {
            append(byte: UInt8(bitPattern: text[i]))
            i += 1
        }
        return self
    }
    func number(_ value: Int) -> Message {
        append(value)
        return self
    }
    /// Three decimals, enough to recognise a wrong parameter.
    func number(_ value: Double) -> Message {
        if value != value { return text("nan") }
        if value.magnitude >= 1e15 { return text(value < 0 ? "-inf or huge" : "inf or huge") }
        if value < 0 { append(byte: 45) }
        let thousandths = Int(value.magnitude * 1000 + 0.5)
        append(thousandths / 1000)
        append(byte: 46)
        append(byte: UInt8(48 + thousandths / 100 % 10))
        append(byte: UInt8(48 + thousandths / 10 % 10))
        append(byte: UInt8(48 + thousandths % 10))
        return self
    }
    func shape(_ shape: Shape) -> Message {
        append(byte: 40)
        for i in 0..<shape.count {
            if i > 0 { append(", ") }
            append(shape[i])
        }
        if shape.count == 1 { append(byte: 44) }
        append(byte: 41)
        return self
    }
    func dtype(_ dtype: Int32) -> Message {
        switch dtype {
        case Int32(SNN_FLOAT32): return text("float32")
        case Int32(SNN_FLOAT64): return text("float64")
        case Int32(SNN_INT64): return text("int64")
        case Int32(SNN_INT32): return text("int32")
        case Int32(SNN_INT16): return text("int16")
        case Int32(SNN_INT8): return text("int8")
        case Int32(SNN_UINT8): return text("uint8")
        case Int32(SNN_BOOL): return text("bool")
        default: return text("an unknown type")
        }
    }

    var valueError: Failure { Failure(status: snn_status(SNN_VALUE_ERROR)) }
    var typeError: Failure { Failure(status: snn_status(SNN_TYPE_ERROR)) }
    var shapeError: Failure { Failure(status: snn_status(SNN_SHAPE_ERROR)) }
    var indexError: Failure { Failure(status: snn_status(SNN_INDEX_ERROR)) }
    var memoryError: Failure { Failure(status: snn_status(SNN_MEMORY_ERROR)) }
}

@_cdecl("snn_last_error") @implementation
public func snn_last_error() -> UnsafePointer<CChar>! {
    UnsafePointer(snn_message(snn_thread_state_get()))
}

/// Runs an operation's body and turns what it throws into a status. Never inlined, so that the body is a Swift function and not part of the
/// C entry, where the compiler inlines nothing.
@inline(never)
func operation(_ body: () throws(Failure) -> Void) -> snn_status {
    let mode = snn_float_mode()
    if mode != UInt64(SNN_FLOAT_MODE) { snn_set_float_mode(UInt64(SNN_FLOAT_MODE)) }
    defer { if mode != UInt64(SNN_FLOAT_MODE) { snn_set_float_mode(mode) } }
    Interrupt.begin()
    var status = snn_status(SNN_OK)
    do throws(Failure) {
        try Dispatch.initialize()
        try body()
    } catch {
        status = error.status
    }
    // What was skipped may have left anything behind, an error among it.
    return Interrupt.end() ? snn_status(SNN_INTERRUPTED) : status
}
