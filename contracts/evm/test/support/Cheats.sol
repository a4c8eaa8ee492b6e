// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @notice The forge cheatcodes these tests use; forge answers them at a fixed address.
interface Cheats {
    function addr(
        uint256 key
    ) external pure returns (address);
    function assertEq(
        address left,
        address right
    ) external pure;
    function assertEq(
        bool left,
        bool right
    ) external pure;
    function assertEq(
        bytes calldata left,
        bytes calldata right
    ) external pure;
    function assertEq(
        bytes32 left,
        bytes32 right
    ) external pure;
    function assertEq(
        uint256 left,
        uint256 right
    ) external pure;
    function assertEq(
        uint256 left,
        uint256 right,
        string calldata why
    ) external pure;
    function assertGe(
        uint256 left,
        uint256 right,
        string calldata why
    ) external pure;
    function assertLe(
        uint256 left,
        uint256 right,
        string calldata why
    ) external pure;
    function assertTrue(
        bool holds,
        string calldata why
    ) external pure;
    function assume(
        bool holds
    ) external pure;
    function chainId(
        uint256 id
    ) external;
    function etch(
        address target,
        bytes calldata code
    ) external;
    function expectEmit(
        address emitter
    ) external;
    function expectRevert(
        bytes calldata data
    ) external;
    function keyExistsJson(
        string calldata json,
        string calldata key
    ) external view returns (bool);
    function parseJsonBytes(
        string calldata json,
        string calldata key
    ) external pure returns (bytes memory);
    function parseJsonBytes32Array(
        string calldata json,
        string calldata key
    ) external pure returns (bytes32[] memory);
    function parseJsonBytesArray(
        string calldata json,
        string calldata key
    ) external pure returns (bytes[] memory);
    function parseJsonBytes32(
        string calldata json,
        string calldata key
    ) external pure returns (bytes32);
    function parseJsonString(
        string calldata json,
        string calldata key
    ) external pure returns (string memory);
    function parseJsonUint(
        string calldata json,
        string calldata key
    ) external pure returns (uint256);
    function prank(
        address sender
    ) external;
    function readFile(
        string calldata path
    ) external view returns (string memory);
    function sign(
        uint256 key,
        bytes32 digest
    ) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function startPrank(
        address sender
    ) external;
    function stopPrank() external;
    function toString(
        uint256 value
    ) external pure returns (string memory);
    function warp(
        uint256 timestamp
    ) external;
}

Cheats constant vm = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
