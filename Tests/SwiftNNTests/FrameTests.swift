import CSwiftNN
import Testing

@testable import SwiftNN

@Test func threads() { #expect(snn_get_num_threads() >= 1) }
